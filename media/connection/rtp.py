"""aiortc's receiver and sender for Opus packets that are passed on as they are.

aiortc decodes in a thread behind a jitter buffer of 80 ms and more, and encodes 96 kb/s stereo. Here a
packet leaves in the same callback in which it came: no thread, no buffer, no decoding. The private names
used below are those of aiortc 1.16; `tests/media/test_guard.py` fails when they change.
"""

import asyncio
import secrets
import struct
import time
from collections.abc import Callable
from typing import Any, Final

from aiortc import RTCRtpTransceiver, clock
from aiortc.rtcrtpreceiver import RTCRtpReceiver, StreamStatistics
from aiortc.rtcrtpsender import RTCRtpSender
from aiortc.rtp import RtpPacket

from media.connection.line import RtpLine
from media.packets import MicPacket
from protocol.audio import SAMPLE_RATE_HZ
from sound.opus import MAX_PACKET_BYTES

_MAX_SOURCES: Final = 8  # a peer that keeps changing its SSRC may not fill our memory
_MAX_PACKETS_PER_S: Final = 500  # the shortest Opus packets last 2.5 ms

PacketHandler = Callable[[MicPacket], None]


class PacketReceiver(RTCRtpReceiver):
    """Hands every Opus packet to `on_packet`; keeps aiortc's receiver reports going."""

    on_packet: PacketHandler
    packets_dropped: int
    bytes_received: int  # of payload, as webrtc-stats counts them
    second: int  # the one that is being counted, and its packets
    packets_in_second: int
    _RTCRtpReceiver__codecs: dict[int, Any]
    _RTCRtpReceiver__remote_streams: dict[int, StreamStatistics]
    _RTCRtpReceiver__rtcp_task: asyncio.Future[None]
    _RTCRtpReceiver__started: bool

    async def receive(self, parameters: Any) -> None:
        """Like aiortc's, without its decoder thread."""
        if self._RTCRtpReceiver__started:
            return
        for codec in parameters.codecs:
            self._RTCRtpReceiver__codecs[codec.payloadType] = codec
        self.transport._register_rtp_receiver(self, parameters)
        self._RTCRtpReceiver__rtcp_task = asyncio.ensure_future(self._run_rtcp())
        self._RTCRtpReceiver__started = True

    async def _handle_rtp_packet(self, packet: RtpPacket, arrival_time_ms: int) -> None:
        now_s = time.monotonic()
        if not self._count(packet) or not self._in_time(now_s):
            self.packets_dropped += 1
            return
        self.on_packet(
            MicPacket(
                source=(id(self), packet.ssrc),
                sequence_number=packet.sequence_number,
                timestamp=packet.timestamp,
                arrival_s=now_s,
                payload=bytes(packet.payload),
            )
        )

    def _count(self, packet: RtpPacket) -> bool:
        """Feed the statistics. False: this packet is nothing that we can use."""
        streams = self.streams
        if packet.payload_type not in self._RTCRtpReceiver__codecs:
            return False
        if packet.ssrc not in streams:
            if len(streams) >= _MAX_SOURCES:
                return False
            streams[packet.ssrc] = StreamStatistics(SAMPLE_RATE_HZ)
        streams[packet.ssrc].add(packet)
        self.bytes_received += len(packet.payload)
        return 0 < len(packet.payload) <= MAX_PACKET_BYTES

    def _in_time(self, now_s: float) -> bool:
        """False: this peer sends more than any microphone does."""
        if int(now_s) != self.second:
            self.second, self.packets_in_second = int(now_s), 0
        self.packets_in_second += 1
        return self.packets_in_second <= _MAX_PACKETS_PER_S

    @property
    def streams(self) -> dict[int, StreamStatistics]:
        return self._RTCRtpReceiver__remote_streams


class PacketSender(RTCRtpSender):
    """Sends Opus packets on one line of sequence numbers and timestamps; keeps aiortc's sender reports going."""

    line: RtpLine
    payload_type: int | None
    packets_dropped: int
    _RTCRtpSender__ntp_timestamp: int
    _RTCRtpSender__octet_count: int
    _RTCRtpSender__packet_count: int
    _RTCRtpSender__rtp_exited: asyncio.Event
    _RTCRtpSender__rtp_started: asyncio.Event
    _RTCRtpSender__rtp_timestamp: int
    _RTCRtpSender__rtt: float | None
    _RTCRtpSender__stats: dict[str, Any]

    async def _run_rtp(self, codec: Any) -> None:
        """Nothing to pull: packets are pushed by `forward_packet` and `send_packet`."""
        self.payload_type = codec.payloadType
        self._RTCRtpSender__rtp_started.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.payload_type = None
            self._RTCRtpSender__rtp_exited.set()

    def forward_packet(self, packet: MicPacket) -> None:
        """Pass on a packet of another leg; does nothing before the connection stands."""
        if self.payload_type is not None and (place := self.line.forward(packet)) is not None:
            self._transmit(*place, packet.payload)

    def send_packet(self, payload: bytes, *, now_s: float, samples: int) -> None:
        """Send a packet made here, `samples` after the one before it."""
        if self.payload_type is not None:
            self._transmit(*self.line.step(now_s, samples), payload)

    def _transmit(self, sequence_number: int, timestamp: int, payload: bytes) -> None:
        header = struct.pack("!BBHII", 0x80, self.payload_type, sequence_number, timestamp, self._ssrc)
        if not _send_now(self.transport, header + payload):
            self.packets_dropped += 1
            return
        self._RTCRtpSender__ntp_timestamp = clock.current_ntp_time()
        self._RTCRtpSender__rtp_timestamp = timestamp
        self._RTCRtpSender__octet_count += len(payload)
        self._RTCRtpSender__packet_count += 1


def _send_now(transport: Any, data: bytes) -> bool:
    """Protect and send without a coroutine. False: there is no way to the other side at the moment."""
    pair = transport.transport._connection._nominated.get(1)
    if pair is None or transport._tx_srtp is None or transport.state != "connected":
        return False
    protected = transport._tx_srtp.protect(data)
    pair.protocol.transport.sendto(protected, pair.remote_addr)
    transport._RTCDtlsTransport__tx_bytes += len(protected)
    transport._RTCDtlsTransport__tx_packets += 1
    return True


def take_over(
    transceiver: RTCRtpTransceiver, on_packet: PacketHandler
) -> tuple[PacketReceiver, PacketSender]:
    """Turn the two halves of a fresh transceiver into ours. aiortc has no hook to make them so."""
    receiver: Any = transceiver.receiver
    sender: Any = transceiver.sender
    receiver.__class__ = PacketReceiver
    receiver.on_packet, receiver.packets_dropped, receiver.bytes_received = on_packet, 0, 0
    receiver.second, receiver.packets_in_second = 0, 0
    sender.__class__ = PacketSender
    # The lower half, so that SRTP's roll-over counter starts at a safe distance (RFC 3711 section 3.3.1).
    sender.line = RtpLine(sequence_number=secrets.randbits(15), timestamp=secrets.randbits(32))
    sender.payload_type, sender.packets_dropped = None, 0
    return receiver, sender
