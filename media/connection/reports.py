"""RTCP in both directions: what is counted of a stream, told to its sender, and told by those who hear ours.

One compound packet a second carries the reports of both directions (RFC 3550 section 6.1). It is read and written
where it lies, like RTP; over a relay it is aiortc that reads.
"""

import asyncio
import random
import struct
import time
from typing import Any, Final, Protocol
from weakref import WeakKeyDictionary

from aiortc.rtcrtpreceiver import StreamStatistics
from pylibsrtp._binding import ffi, lib

from media.connection.datagrams import SLOT_BYTES, Slots
from media.supervise import log_failure
from protocol.audio import SAMPLE_RATE_HZ
from protocol.rtcp import goodbye

INTERVAL_S: Final = 1.0
TICKS: Final = 4  # in an interval
_NTP_EPOCH_S: Final = 2_208_988_800  # 1900 to 1970 (RFC 5905 section 6)
_SR, _RR, _SDES, _CNAME = 200, 201, 202, 1
_RTT_ALPHA: Final = 0.85  # aiortc's
_HEADER: Final = struct.Struct("!BBHI")
_SENDER: Final = struct.Struct("!QIII")
_BLOCK: Final = struct.Struct("!IIIIII")
_length: Final = ffi.new("int *")


def ntp_time(unix_s: float) -> int:
    """A 64-bit NTP timestamp."""
    return int((unix_s + _NTP_EPOCH_S) * 4_294_967_296)


class InboundStream(StreamStatistics):
    """aiortc's counters, fed by three numbers instead of a packet (RFC 3550 appendix A.1, A.3 and A.8)."""

    base_seq: int | None
    max_seq: int | None
    cycles: int
    packets_received: int
    _jitter_q4: int
    _last_arrival: int
    _last_timestamp: int

    def __init__(self) -> None:
        super().__init__(SAMPLE_RATE_HZ)

    def count(self, number: int, timestamp: int, now_s: float) -> None:
        """A packet arrived; `now_s` is monotonic."""
        self.packets_received += 1
        arrival, newest = int(now_s * SAMPLE_RATE_HZ), self.max_seq
        if newest is None:
            self.base_seq = number
        else:
            if not 0 < (number - newest) & 0xFFFF < 0x8000:  # late, or again
                return
            if number < newest:
                self.cycles += 1 << 16
            sent = ((timestamp - self._last_timestamp + 0x8000_0000) & 0xFFFF_FFFF) - 0x8000_0000
            transit = arrival - self._last_arrival - sent
            self._jitter_q4 += abs(transit) - ((self._jitter_q4 + 8) >> 4)
        self.max_seq, self._last_arrival, self._last_timestamp = number, arrival, timestamp


class _Settles(Protocol):
    def settle(self) -> None: ...


class Incoming(Protocol):
    """What is counted of what comes in: `media.connection.rtp.PacketReceiver`."""

    srtp: Any
    packets_received: int
    streams: dict[int, InboundStream]
    lsr: dict[int, int]
    lsr_at_s: dict[int, float]

    @property
    def route(self) -> _Settles | None: ...


class Outgoing(Protocol):
    """What is counted of what goes out, and the way to the other side: `media.connection.rtp.PacketSender`."""

    _ssrc: int
    cname: str
    packet_count: int
    octet_count: int
    rtp_timestamp: int
    sent_at_s: float
    lsr: int | None
    lsr_at_s: float | None
    rtt_s: float | None
    reported_loss: float | None

    @property
    def route(self) -> _Settles | None: ...

    def send_rtcp(self, packet: bytes) -> None: ...


class Reports:
    """Those of one connection."""

    def __init__(self, receiver: Incoming, sender: Outgoing) -> None:
        self._receiver, self._sender = receiver, sender
        self.reason = ""  # for leaving

    def receive_srtcp(self, slots: Slots, n: int, length: int, now_s: float) -> bool:
        """Take an encrypted RTCP packet from slot n. False: its encryption does not hold."""
        _length[0] = length
        if lib.srtp_unprotect_rtcp(self._receiver.srtp, slots.pointers[n], _length):
            return False
        self._receiver.packets_received += 1
        begin = n * SLOT_BYTES
        self.read(slots.view[begin : begin + _length[0]], now_s)
        return True

    def read(self, packet: memoryview, now_s: float) -> None:
        """A compound packet. What is cut short or of no use here is passed over."""
        at = 0
        while at + _HEADER.size <= len(packet):
            first, kind, words, ssrc = _HEADER.unpack_from(packet, at)
            end = at + 4 * (words + 1)
            blocks = at + _HEADER.size
            if end > len(packet):
                return
            if kind == _SR and blocks + _SENDER.size <= end:
                ntp, _, _, _ = _SENDER.unpack_from(packet, blocks)
                if ssrc in self._receiver.streams:
                    self._receiver.lsr[ssrc] = (ntp >> 16) & 0xFFFF_FFFF
                    self._receiver.lsr_at_s[ssrc] = now_s
                blocks += _SENDER.size
            if kind in (_SR, _RR):
                for block in range(blocks, min(end, blocks + (first & 0x1F) * _BLOCK.size), _BLOCK.size):
                    if block + _BLOCK.size <= end:
                        self._heard(_BLOCK.unpack_from(packet, block), now_s)
            at = end

    def _heard(self, block: tuple[int, ...], now_s: float) -> None:
        """What the other side says of our stream: its loss and the round trip (RFC 3550 section 6.4.1)."""
        sender = self._sender
        ssrc, lost, _, _, lsr, dlsr = block
        if ssrc != sender._ssrc:
            return
        sender.reported_loss = (lost >> 24) / 256
        sent_at_s = sender.lsr_at_s
        if not dlsr or sent_at_s is None or lsr != sender.lsr:
            return
        measured_s = max(0.0, now_s - sent_at_s - dlsr / 65536)
        before_s = sender.rtt_s
        sender.rtt_s = (
            measured_s if before_s is None else _RTT_ALPHA * before_s + (1 - _RTT_ALPHA) * measured_s
        )

    def start(self) -> None:
        """Report until `stop`."""
        _reporter().add(self)

    def stop(self) -> None:
        """Say goodbye."""
        _reporter().discard(self)
        self._sender.send_rtcp(goodbye(self._sender._ssrc, self.reason))

    def report(self, now_s: float) -> None:
        for end in (self._receiver, self._sender):
            if end.route is not None:
                end.route.settle()
        self._sender.send_rtcp(self.write(now_s))

    def write(self, now_s: float) -> bytes:
        """A sender's report where something was sent, else a receiver's, and the name of the source."""
        sender = self._sender
        blocks = [self._block(ssrc, stream, now_s) for ssrc, stream in self._receiver.streams.items()]
        head, body = _RR, b"".join(blocks)
        if sender.packet_count:
            ntp = ntp_time(time.time() - (now_s - sender.sent_at_s))
            sender.lsr, sender.lsr_at_s = (ntp >> 16) & 0xFFFF_FFFF, now_s
            counts = sender.packet_count, sender.octet_count
            numbers = [value & 0xFFFF_FFFF for value in (sender.rtp_timestamp, *counts)]
            head, body = _SR, _SENDER.pack(ntp, *numbers) + body
        report = _HEADER.pack(0x80 | len(blocks), head, 1 + len(body) // 4, sender._ssrc) + body
        return report + self._source()

    def _source(self) -> bytes:
        name = self._sender.cname.encode()
        item = bytes([_CNAME, len(name)]) + name
        item += bytes(4 - len(item) % 4)  # at least one zero ends the list (RFC 3550 section 6.5)
        return _HEADER.pack(0x81, _SDES, 1 + len(item) // 4, self._sender._ssrc) + item

    def _block(self, ssrc: int, stream: InboundStream, now_s: float) -> bytes:
        lsr = self._receiver.lsr.get(ssrc, 0)
        waited_s = now_s - self._receiver.lsr_at_s.get(ssrc, now_s)
        lost = (stream.fraction_lost << 24) | (stream.packets_lost & 0xFF_FFFF)
        highest = (stream.cycles + (stream.max_seq or 0)) & 0xFFFF_FFFF
        dlsr = min(0xFFFF_FFFF, int(waited_s * 65536))
        return _BLOCK.pack(ssrc, lost, highest, stream.jitter & 0xFFFF_FFFF, lsr, dlsr)


class Reporter:
    """Lets all connections of a loop report, a part of them at each tick, so that few ticks serve many."""

    def __init__(self) -> None:
        self._parts: list[set[Reports]] = [set() for _ in range(TICKS)]
        self._next = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, reports: Reports) -> None:
        min(self._parts, key=len).add(reports)
        if self._timer is None:
            self._tick()

    def discard(self, reports: Reports) -> None:
        for part in self._parts:
            part.discard(reports)

    def _tick(self) -> None:
        part, self._timer = self._parts[self._next], None
        self._next = (self._next + 1) % TICKS
        now_s = time.monotonic()
        for reports in part:
            try:
                reports.report(now_s)
            except Exception as error:  # noqa: BLE001 - one connection's report, and not those of all after it
                log_failure("report_failed", error)
        if any(self._parts):
            wait_s = INTERVAL_S / TICKS * (0.9 + 0.2 * random.random())  # noqa: S311
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._tick)


_REPORTERS: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, Reporter]] = WeakKeyDictionary()


def _reporter() -> Reporter:
    loop = asyncio.get_running_loop()
    found = _REPORTERS.get(loop)
    if found is None:
        found = _REPORTERS[loop] = Reporter()
    return found
