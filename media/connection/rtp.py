"""Receiver and sender of Opus packets that are passed on as they are, in the place of aiortc's.

Those decode in a thread behind a jitter buffer of 80 ms and more, and encodes 96 kb/s stereo. Here a
packet leaves in the same callback in which it came: no thread, no buffer, no decoding, and on the worker's own
port (`media.connection.ports`) not even a copy: it is decrypted in the slot in which it arrived, and encrypted in
the one from which it leaves. Over a relay it takes aiortc's way. The private names used below are those of
aiortc 1.16; `tests/media/test_guard.py` fails when they change.
"""

import secrets
import struct
import time
from collections.abc import Callable
from typing import Any, Final

from aiortc import RTCDtlsTransport
from aiortc.rtcdtlstransport import State
from aiortc.rtcrtpparameters import RTCRtpReceiveParameters, RTCRtpSendParameters
from aiortc.rtp import AnyRtcpPacket, RtpPacket
from pylibsrtp._binding import ffi, lib

from media.connection.datagrams import SLOT_BYTES, Slots, key_of
from media.connection.line import RtpLine
from media.connection.ports import Lane, Port
from media.connection.reports import InboundStream, Reports
from media.connection.routes import Route, Routes, Way
from media.packets import MicPacket
from sound.opus import MAX_PACKET_BYTES

_MAX_SOURCES: Final = 8  # a peer that keeps changing its SSRC may not fill our memory
_ROUTE_EVERY_S: Final = 0.1  # to look for a route costs as much as some packets
_MAX_PACKETS_PER_S: Final = 500  # the shortest Opus packets last 2.5 ms
_HEADER: Final = struct.Struct("!BBHII")  # RFC 3550 section 5.1
_HEADER_BYTES: Final = 12

PacketHandler = Callable[[MicPacket], None]

_length: Final = ffi.new("int *")
_unprotect, _protect = lib.srtp_unprotect, lib.srtp_protect
_unpack, _pack = _HEADER.unpack_from, _HEADER.pack_into


class PacketReceiver:
    """Hands every Opus packet to `on_packet`. Its reports leave with those of the sender (`reports.Reports`).

    Over a relay it is aiortc's transport that reads, and calls the methods with an underscore.
    """

    reports: Reports

    def __init__(self, transport: RTCDtlsTransport, on_packet: PacketHandler) -> None:
        self.on_packet = on_packet
        self.lane: Lane | None = None
        self.route: Route | None = None  # past all of this, while one is open
        self.way: Callable[[], Way | None] = _no_way
        self.routes: Routes | None = None
        self.route_after_s = 0.0  # none is opened before
        self.nominated: dict[int, Any] = (
            transport.transport._connection._nominated
        )  # aioice's: what ICE chose
        self.srtp: Any = None  # libsrtp's session for what comes in
        self.heard_at_s: float | None = None  # monotonic, of the newest packet
        self.packets_received = 0  # past aiortc's transport, RTCP too
        self.packets_dropped = 0
        self.bytes_received = 0  # of payload, as webrtc-stats counts them
        self.credit = 0  # so many packets may come until `credit_until_s`
        self.credit_until_s = 0.0
        self.payload_type: int | None = None
        self.streams: dict[int, InboundStream] = {}  # by SSRC
        self.lsr: dict[int, int] = {}  # by SSRC, RFC 3550 section 6.4.1
        self.lsr_at_s: dict[int, float] = {}  # monotonic
        self._transport = transport

    def start(self, parameters: RTCRtpReceiveParameters) -> None:
        self.payload_type = parameters.codecs[0].payloadType
        self._transport._register_rtp_receiver(self, parameters)

    def stop(self) -> None:
        self._transport._unregister_rtp_receiver(self)

    def receive_srtp(self, slots: Slots, n: int, length: int, now_s: float) -> bool:
        """Take an encrypted packet from slot n. False: its encryption does not hold."""
        _length[0] = length
        if _unprotect(self.srtp, slots.pointers[n], _length):
            return False
        view, begin = slots.view, n * SLOT_BYTES
        first, second, number, timestamp, ssrc = _unpack(view, begin)
        body, end = begin + _HEADER_BYTES, begin + _length[0]
        if first != 0x80:
            body, end = inner(view, begin, end)
        if self.route is not None:
            self.route.drop()
        self.packets_received += 1
        packet = MicPacket((id(self), ssrc), number, timestamp, now_s, view[body:end].tobytes())
        self._take(packet, second & 0x7F, ssrc)
        if self.routes is not None and now_s >= self.route_after_s:
            self._open_route(self.routes, ssrc, second & 0x7F, now_s)
        return True

    @property
    def home(self) -> Lane | None:
        """The lane through which the chosen end sends; None where its packets are not known by its address."""
        lane = lane_of(self.nominated.get(1))
        return lane if lane is not None and lane.is_home() else None

    def _open_route(self, routes: Routes, ssrc: int, payload_type: int, now_s: float) -> None:
        """For the next packets like this one, where they only pass."""
        self.route_after_s = now_s + _ROUTE_EVERY_S
        if payload_type == self.payload_type and (way := self.way()) is not None:
            routes.open(self, way, ssrc=ssrc, payload_type=payload_type)

    def _handle_disconnect(self) -> None:
        """Nothing waits here."""

    async def _handle_rtcp_packet(self, packet: AnyRtcpPacket) -> None:
        """What came over a relay, where aiortc reads."""
        self.reports.read(memoryview(bytes(packet)), time.monotonic())

    async def _handle_rtp_packet(self, packet: RtpPacket, arrival_time_ms: int) -> None:
        self._take(
            MicPacket(
                source=(id(self), packet.ssrc),
                sequence_number=packet.sequence_number,
                timestamp=packet.timestamp,
                arrival_s=time.monotonic(),
                payload=bytes(packet.payload),
            ),
            packet.payload_type,
            packet.ssrc,
        )

    def _take(self, packet: MicPacket, payload_type: int, ssrc: int) -> None:
        _, number, timestamp, now_s, payload = packet
        of_opus = payload_type == self.payload_type
        stream = (self.streams.get(ssrc) or self._new_stream(ssrc)) if of_opus else None
        if stream is None:
            self.packets_dropped += 1
            return
        stream.count(number, timestamp, now_s)
        size = len(payload)
        self.bytes_received += size
        self.credit -= 1
        if not 0 < size <= MAX_PACKET_BYTES or (self.credit < 0 and not self.renew_credit(now_s)):
            self.packets_dropped += 1
            return
        self.heard_at_s = now_s
        self.on_packet(packet)

    def _new_stream(self, ssrc: int) -> InboundStream | None:
        """None: this peer has enough of them."""
        if len(self.streams) >= _MAX_SOURCES:
            return None
        stream = self.streams[ssrc] = InboundStream()
        if self.lane is not None:
            self.lane.add_source(ssrc)
        return stream

    def renew_credit(self, now_s: float) -> bool:
        """False: this peer sends more than any microphone does."""
        if now_s < self.credit_until_s:
            return False
        self.credit, self.credit_until_s = _MAX_PACKETS_PER_S - 1, now_s + 1.0
        return True


def inner(view: memoryview, begin: int, end: int) -> tuple[int, int]:
    """Where the payload lies behind sources and extensions and before padding (RFC 3550 sections 5.1, 5.3.1).

    The end lies before the beginning where the packet is malformed.
    """
    first = view[begin]
    body = begin + _HEADER_BYTES + 4 * (first & 0x0F)
    if first & 0x10 and body + 4 <= end:
        body += 4 + 4 * ((view[body + 2] << 8) | view[body + 3])
    if first & 0x20 and body < end:
        end -= view[end - 1]
    return body, max(body, end)


class PacketSender:
    """Sends Opus packets on one line of sequence numbers and timestamps."""

    def __init__(self, transport: RTCDtlsTransport, receiver: PacketReceiver) -> None:
        # The lower half, so that SRTP's roll-over counter starts at a safe distance (RFC 3711 section 3.3.1).
        self.line = RtpLine(sequence_number=secrets.randbits(15), timestamp=secrets.randbits(32))
        self.payload_type: int | None = None
        self.packets_dropped = 0
        self.sent_at_s = 0.0  # monotonic, of the newest packet
        self.reported_loss: float | None = None  # 0 to 1, by the newest report of who hears this
        self.route: Route | None = None  # past all of this, while one is open
        self.srtp: Any = None  # libsrtp's session for what goes out
        self.lane: Lane | None = None  # that ICE chose; None: a relay
        self.cname = secrets.token_hex(8)  # RFC 7022 section 4.2
        self.lsr: int | None = None
        self.lsr_at_s: float | None = None  # monotonic
        self.octet_count = self.packet_count = self.rtp_timestamp = 0
        self.rtt_s: float | None = None
        self._ssrc = secrets.randbits(32)
        self._dtls: Any = transport
        self._nominated = receiver.nominated
        self._pair: Any = None  # what ICE had chosen when it was last looked at
        self._port: Port | None = None
        self._key = b""
        self.reports = receiver.reports = Reports(receiver, self)

    def start(self, parameters: RTCRtpSendParameters) -> None:
        self._dtls._register_rtp_sender(self, parameters)
        self.payload_type = parameters.codecs[0].payloadType
        self.reports.start()

    def stop(self) -> None:
        """Also for one that did not start."""
        if self.route is not None:
            self.route.drop()
        if self.payload_type is not None:
            self.payload_type = None
            self._dtls._unregister_rtp_sender(self)
            self.reports.stop()

    async def _handle_rtcp_packet(self, packet: AnyRtcpPacket) -> None:
        """What came over a relay, where aiortc reads."""
        self.reports.read(memoryview(bytes(packet)), time.monotonic())

    def forward_packet(self, packet: MicPacket) -> None:
        """Pass on a packet of another leg; does nothing before the connection stands."""
        if self.route is not None:
            self.route.drop()
        if self.payload_type is not None and (place := self.line.forward(packet)) is not None:
            self._transmit(place, packet.payload, packet.arrival_s)

    def send_packet(self, payload: bytes, *, now_s: float, samples: int) -> None:
        """Send a packet made here, `samples` after the one before it."""
        if self.route is not None:
            self.route.drop()
        if self.payload_type is not None:
            self._transmit(self.line.step(now_s, samples), payload, now_s)

    def _transmit(self, place: tuple[int, int], payload: bytes, now_s: float) -> None:
        pair = self._nominated.get(1)
        if pair is None or self._dtls._state is not State.CONNECTED:
            self.packets_dropped += 1
            return
        if pair is not self._pair:
            self._aim(pair)
        port, size = self._port, len(payload)
        if port is None:
            self._relay(_HEADER.pack(0x80, self.payload_type, *place, self._ssrc) + payload)
        else:
            io = port.io
            n = io.waiting
            begin, view = n * SLOT_BYTES, io.outgoing.view
            body = begin + _HEADER_BYTES
            _pack(view, begin, 0x80, self.payload_type, place[0], place[1], self._ssrc)
            view[body : body + size] = payload
            _length[0] = _HEADER_BYTES + size
            if _protect(self.srtp, io.outgoing.pointers[n], _length):
                self.packets_dropped += 1
                return
            io.put(_length[0], self._key)
            if n == 0:
                port.flush_soon()
        self.sent_at_s, self.rtp_timestamp = now_s, place[1]
        self.octet_count += size
        self.packet_count += 1

    def _aim(self, pair: Any) -> None:
        """ICE chose another way."""
        self._pair, self.srtp = pair, self._dtls._tx_srtp._srtp[0]
        self.lane = lane_of(pair)
        self._port = None if self.lane is None else self.lane.port
        if self.lane is not None:
            self._key = self.lane.remote = key_of(pair.remote_addr)

    def is_aimed(self) -> bool:
        """Whether the next packet would go where the last one went, on a port of ours."""
        return (
            self.payload_type is not None
            and self._dtls._state is State.CONNECTED
            and self._pair is not None
            and self._pair is self._nominated.get(1)
            and self.lane is not None
            and self.lane.remote == self._key
        )

    def send_rtcp(self, packet: bytes) -> None:
        """A compound packet; does nothing where there is no way to the other side."""
        pair = self._nominated.get(1)
        if self._dtls._state is State.CONNECTED and pair is not None:
            pair.protocol.transport.sendto(self._dtls._tx_srtp.protect_rtcp(packet), pair.remote_addr)

    def _relay(self, data: bytes) -> None:
        """By aioice's own way to the TURN server."""
        self._pair.protocol.transport.sendto(self._dtls._tx_srtp.protect(data), self._pair.remote_addr)


def lane_of(pair: Any) -> Lane | None:
    """The lane of a pair of candidates; None for a relay, and without a pair."""
    lane = None if pair is None else pair.protocol.transport
    return lane if isinstance(lane, Lane) else None


def _no_way() -> Way | None:
    """Nobody knows yet who hears this."""
    return None
