"""Where a packet stands in a recording: what came late, what is missing, when it was said. No I/O."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from media.packets import RESTART_DISTANCE, MicPacket, signed16, signed32
from protocol.audio import SAMPLE_RATE_HZ

REORDER_WINDOW: Final = 10  # packets; 200 ms of usual voice
_MAX_SKEW_SAMPLES: Final = 2 * SAMPLE_RATE_HZ  # a packet farther from its place is asked about
_DRIFT_LIMIT_SAMPLES: Final = SAMPLE_RATE_HZ // 10  # correct the line when it is 100 ms away from wall time
_DRIFT_WINDOW_S: Final = 10.0
_HELD_S: Final = 1.0
_MOST_HELD: Final = 1000  # packets
_IN_STEP: Final = 20  # packets
_EVEN_SAMPLES: Final = SAMPLE_RATE_HZ // 25  # 40 ms: a tenth of what those packets last
_CAUGHT_UP_SAMPLES: Final = SAMPLE_RATE_HZ // 2  # by so much less late is a sender that was held up
_LONGEST_DELAY_SAMPLES: Final = 30 * SAMPLE_RATE_HZ  # a sender that caught up by more jumped


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
        if packet.source != self._source or abs(distance) > RESTART_DISTANCE:
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


class Placed(NamedTuple):
    position: int  # of the packet's first sample, at 48 kHz; negative before the beginning
    packet: MicPacket


class WallLine:
    """Places packets on a line of samples that began at a moment of wall time.

    Within one source the sender's timestamps count, so arrival jitter does not matter. A new source, a jump
    of the timestamps, or a clock that drifts away by 100 ms is anchored anew by time of arrival.

    A first packet may come late, and what comes two seconds late was held up on its way, or a pause went
    before it in which the sender's clock stood still. The packets after it tell: they catch up, or they do
    not. So a beginning is held back until they come evenly, a second at most, and then placed by the packet
    that waited least.
    """

    def __init__(self, *, started_at_s: float) -> None:
        self._started_at_s = started_at_s
        self._source: tuple[int, int] | None = None
        self._timestamp = 0
        self._position = 0
        self._held: list[MicPacket] = []
        self._least_skew: int | None = None
        self._window_ends_s = 0.0

    def push(self, packet: MicPacket) -> Iterator[Placed]:
        """Yield what has its place now, this packet or held ones or nothing. Consume the whole iterator."""
        if self._held and packet.source != self._held[0].source:
            yield from self.flush()
        if not self._held and packet.source == self._source and self._skew(packet) <= _MAX_SKEW_SAMPLES:
            yield self._place(packet)
            return
        self._held.append(packet)
        waited_s = packet.arrival_s - self._held[0].arrival_s
        if waited_s >= _HELD_S or len(self._held) >= _MOST_HELD or self._is_in_step():
            yield from self.flush()

    def flush(self) -> Iterator[Placed]:
        """Yield everything held, each at its place."""
        held, self._held = self._held, []
        if held:
            self._anchor(held)
        for packet in held:
            yield self._place(packet)

    def _is_in_step(self) -> bool:
        """Whether the packets come as evenly as they were said, so that nothing is left to catch up."""
        skews = [self._skew(packet) for packet in self._held[-_IN_STEP:]]
        return len(skews) == _IN_STEP and max(skews) - min(skews) <= _EVEN_SAMPLES

    def _skew(self, packet: MicPacket) -> int:
        """How many samples later than its place on the line a packet came."""
        arrived = round((packet.arrival_s - self._started_at_s) * SAMPLE_RATE_HZ)
        return arrived - self._position - signed32(packet.timestamp - self._timestamp)

    def _anchor(self, held: list[MicPacket]) -> None:
        """Move the line to where the held packets belong."""
        first, is_new = held[0], held[0].source != self._source
        if is_new:
            self._source, self._timestamp = first.source, first.timestamp
        skews = [skew for skew in map(self._skew, held) if skew - self._skew(first) > -_LONGEST_DELAY_SAMPLES]
        if is_new or skews[0] - min(skews) < _CAUGHT_UP_SAMPLES:
            self._position += min(skews)
        self._restart_window(held[-1].arrival_s)

    def _place(self, packet: MicPacket) -> Placed:
        skew = self._skew(packet)
        self._position += signed32(packet.timestamp - self._timestamp)
        self._timestamp = packet.timestamp
        if skew < -_MAX_SKEW_SAMPLES:  # nothing comes before it was said: the timestamps jumped
            self._position += skew
            self._restart_window(packet.arrival_s)
        else:
            self._position += self._drift(skew, packet.arrival_s)
        return Placed(self._position, packet)

    def _drift(self, skew: int, now_s: float) -> int:
        """The correction, once per window. The least skew is the one with the least network delay in it."""
        self._least_skew = skew if self._least_skew is None else min(self._least_skew, skew)
        if now_s < self._window_ends_s:
            return 0
        least = self._least_skew
        self._restart_window(now_s)
        return least if abs(least) > _DRIFT_LIMIT_SAMPLES else 0

    def _restart_window(self, now_s: float) -> None:
        self._least_skew = None
        self._window_ends_s = now_s + _DRIFT_WINDOW_S
