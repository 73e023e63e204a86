"""Order and time of RTP packets, without any I/O: what came late, what is missing, where a packet stands."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from protocol.audio import SAMPLE_RATE_HZ

REORDER_WINDOW: Final = 10  # packets; 200 ms of usual voice
_RESTART_DISTANCE: Final = 1000  # sequence numbers; farther is another beginning, not a late packet
_MAX_SKEW_SAMPLES: Final = 2 * SAMPLE_RATE_HZ  # a sender's clock may not lie farther from ours than this
_DRIFT_LIMIT_SAMPLES: Final = SAMPLE_RATE_HZ // 10  # correct the line when it is 100 ms away from wall time
_DRIFT_WINDOW_S: Final = 10.0
_FIRST_WINDOW_S: Final = 1.0  # a first packet that came late is put right soon
_PAUSE_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class MicPacket:
    """One Opus packet of a microphone. `source` changes whenever its numbers begin anew."""

    source: tuple[int, int]
    sequence_number: int  # 16 bits
    timestamp: int  # 32 bits, 48 kHz
    arrival_s: float  # monotonic
    payload: bytes


def signed16(difference: int) -> int:
    """Distance between two RTP sequence numbers, -32768 to 32767 (RFC 3550 appendix A.1)."""
    return ((difference + 0x8000) & 0xFFFF) - 0x8000


def signed32(difference: int) -> int:
    """Distance between two RTP timestamps."""
    return ((difference + 0x8000_0000) & 0xFFFF_FFFF) - 0x8000_0000


class Reorderer:
    """Puts packets in order within a small window; drops duplicates and what comes too late.

    A missing packet is waited for until `REORDER_WINDOW` later ones are there.
    """

    def __init__(self) -> None:
        self._source: tuple[int, int] | None = None
        self._next = 0
        self._held: dict[int, MicPacket] = {}
        self.lost = 0
        self.dropped = 0

    def push(self, packet: MicPacket) -> Iterator[MicPacket]:
        """Yield what is in order now, this packet or held ones or nothing. Consume the whole iterator."""
        distance = signed16(packet.sequence_number - self._next)
        if packet.source != self._source or abs(distance) > _RESTART_DISTANCE:
            yield from self.flush()
            self._source, self._next, distance = packet.source, packet.sequence_number, 0
        if distance < 0 or packet.sequence_number in self._held:
            self.dropped += 1
            return
        self._held[packet.sequence_number] = packet
        if len(self._held) > REORDER_WINDOW:
            self._skip_to_oldest()
        yield from self._ready()

    def flush(self) -> Iterator[MicPacket]:
        """Yield everything held, in order; what is missing between is lost."""
        while self._held:
            self._skip_to_oldest()
            yield from self._ready()

    def _ready(self) -> Iterator[MicPacket]:
        while (packet := self._held.pop(self._next, None)) is not None:
            self._next = (self._next + 1) & 0xFFFF
            yield packet

    def _skip_to_oldest(self) -> None:
        missing = min(signed16(number - self._next) for number in self._held)
        self.lost += missing
        self._next = (self._next + missing) & 0xFFFF


class WallLine:
    """Places packets on a line of samples that began at a moment of wall time.

    Within one source the sender's timestamps count, so arrival jitter does not matter. A new source, a jump
    of the timestamps, or a clock that drifts away by 100 ms is anchored anew by time of arrival.
    """

    def __init__(self, *, started_at_s: float) -> None:
        self._started_at_s = started_at_s
        self._source: tuple[int, int] | None = None
        self._timestamp = 0
        self._position = 0
        self._least_skew: int | None = None
        self._window_ends_s = 0.0

    def place(self, packet: MicPacket) -> int:
        """Position of the packet's first sample, at 48 kHz; negative before the beginning."""
        arrived = round((packet.arrival_s - self._started_at_s) * SAMPLE_RATE_HZ)
        position = self._position + signed32(packet.timestamp - self._timestamp)
        if packet.source != self._source or abs(arrived - position) > _MAX_SKEW_SAMPLES:
            position = arrived
            self._restart_window(packet.arrival_s, _FIRST_WINDOW_S)
        else:
            position += self._drift(arrived - position, packet.arrival_s)
        self._source, self._timestamp, self._position = packet.source, packet.timestamp, position
        return position

    def _drift(self, skew: int, now_s: float) -> int:
        """The correction, once per window. The least skew is the one with the least network delay in it."""
        self._least_skew = skew if self._least_skew is None else min(self._least_skew, skew)
        if now_s < self._window_ends_s:
            return 0
        least = self._least_skew
        self._restart_window(now_s, _DRIFT_WINDOW_S)
        return least if abs(least) > _DRIFT_LIMIT_SAMPLES else 0

    def _restart_window(self, now_s: float, length_s: float) -> None:
        self._least_skew = None
        self._window_ends_s = now_s + length_s


class RtpLine:
    """One outgoing line of sequence numbers and timestamps, whatever source feeds it.

    Gaps of a forwarded source stay gaps, so that the receiver can conceal them; a change of source
    continues by wall time and never runs backwards.
    """

    def __init__(self, *, sequence_number: int, timestamp: int) -> None:
        self._next_number = sequence_number & 0xFFFF
        self._timestamp = timestamp & 0xFFFF_FFFF  # of the newest packet
        self._sent_at_s: float | None = None
        self._source: tuple[int, int] | None = None
        self._number_offset = 0
        self._timestamp_offset = 0
        self._first_number = 0

    def forward(self, packet: MicPacket) -> tuple[int, int] | None:
        """(sequence number, timestamp) for a packet of another leg; None for one from before the change."""
        ahead = signed16(packet.sequence_number + self._number_offset - self._next_number)
        if packet.source != self._source or abs(ahead) > _RESTART_DISTANCE:
            self._anchor(packet)
            ahead = 0
        number = (packet.sequence_number + self._number_offset) & 0xFFFF
        timestamp = (packet.timestamp + self._timestamp_offset) & 0xFFFF_FFFF
        if signed16(number - self._first_number) < 0:
            return None
        if ahead >= 0:
            self._advance(number, timestamp, packet.arrival_s)
        return number, timestamp

    def step(self, now_s: float, samples: int) -> tuple[int, int]:
        """(sequence number, timestamp) for a packet made here, `samples` after the one before it.

        After a pause or another source the timestamp goes on by wall time.
        """
        pause_s = 0.0 if self._sent_at_s is None else now_s - self._sent_at_s
        steady = self._source is None and pause_s < _PAUSE_S
        timestamp = self._timestamp + samples if steady else self._continued(now_s, samples)
        number, self._source = self._next_number, None
        self._advance(number, timestamp & 0xFFFF_FFFF, now_s)
        return number, self._timestamp

    def _anchor(self, packet: MicPacket) -> None:
        self._source = packet.source
        self._number_offset = self._next_number - packet.sequence_number
        self._timestamp_offset = self._continued(packet.arrival_s, 960) - packet.timestamp
        self._first_number = self._next_number

    def _continued(self, now_s: float, samples: int) -> int:
        elapsed = 0.0 if self._sent_at_s is None else now_s - self._sent_at_s
        return self._timestamp + max(samples, round(elapsed * SAMPLE_RATE_HZ))

    def _advance(self, number: int, timestamp: int, now_s: float) -> None:
        self._next_number = (number + 1) & 0xFFFF
        self._timestamp, self._sent_at_s = timestamp, now_s
