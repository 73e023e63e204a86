"""Where a packet stands in a recording: what came late, what is missing, when it was said. No I/O."""

from collections.abc import Iterator
from typing import Final

from media.packets import RESTART_DISTANCE, MicPacket, signed16, signed32
from protocol.audio import SAMPLE_RATE_HZ

REORDER_WINDOW: Final = 10  # packets; 200 ms of usual voice
_MAX_SKEW_SAMPLES: Final = 2 * SAMPLE_RATE_HZ  # a sender's clock may not lie farther from ours than this
_DRIFT_LIMIT_SAMPLES: Final = SAMPLE_RATE_HZ // 10  # correct the line when it is 100 ms away from wall time
_DRIFT_WINDOW_S: Final = 10.0
_FIRST_WINDOW_S: Final = 1.0  # a first packet that came late is put right soon


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
