"""A few seconds of one end's connection: what counts of both of its directions, and what the matter was."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from protocol.quality import JITTER_HELD, Bars, bars_for, rating

CUT_OFF = " was cut off"


@dataclass(frozen=True)
class Second:
    """One second of one direction."""

    at_s: float
    received: int
    lost: int
    concealed_ms: int
    jitter_ms: float | None
    round_trip_ms: float | None

    @property
    def is_good(self) -> bool:
        r = _rating(100 * _missed([self]), self.jitter_ms, self.round_trip_ms)
        return self.received > 0 and bars_for(r) >= Bars.GOOD


@dataclass(frozen=True, kw_only=True)
class Window:
    """A few seconds of one end, both directions together. `bars` None: nothing was measured."""

    lost_percent: float | None = None
    jitter_ms: float | None = None
    round_trip_ms: float | None = None
    is_gone: bool = False
    bars: Bars | None = None

    @property
    def rating(self) -> float:
        """The lower, the worse."""
        return _rating(self.lost_percent, self.jitter_ms, self.round_trip_ms)

    @property
    def trouble(self) -> str:
        """What the matter was, to stand after the name of the end."""
        if self.is_gone:
            return CUT_OFF
        if _rating(self.lost_percent, None, None) <= _rating(None, self.jitter_ms, self.round_trip_ms):
            return "'s sound broke up"
        held_ms = JITTER_HELD * (self.jitter_ms or 0)
        return "'s sound came late" if (self.round_trip_ms or 0) / 2 >= held_ms else "'s sound came unevenly"


def _rating(lost_percent: float | None, jitter_ms: float | None, round_trip_ms: float | None) -> float:
    return rating(
        fraction_lost=(lost_percent or 0) / 100,
        round_trip_time_s=None if round_trip_ms is None else round_trip_ms / 1000,
        jitter_s=None if jitter_ms is None else jitter_ms / 1000,
    )


def window_of(up: Sequence[Second], down: Sequence[Second], *, lost_elsewhere: float) -> Window:
    """Both directions of one end in the same seconds."""
    if not up and not down:
        return Window()
    silent = sum(second.received == 0 for second in up) / len(up) if up else 0.0
    lost = max(share_lost(up), silent, _missed(down) - lost_elsewhere, 0.0)
    jitter = max(
        (value for way in (up, down) if (value := _mean(s.jitter_ms for s in way)) is not None), default=None
    )
    round_trip = _mean(s.round_trip_ms for s in up)
    if round_trip is None:
        round_trip = _mean(s.round_trip_ms for s in down)
    return Window(
        lost_percent=100 * lost,
        jitter_ms=jitter,
        round_trip_ms=round_trip,
        is_gone=silent == 1,
        bars=Bars.LOST if silent == 1 else bars_for(_rating(100 * lost, jitter, round_trip)),
    )


def share_lost(seconds: Sequence[Second]) -> float:
    lost = sum(second.lost for second in seconds)
    expected = lost + sum(second.received for second in seconds)
    return lost / expected if expected else 0.0


def _missed(seconds: Sequence[Second]) -> float:
    """Also what came too late to be played."""
    if not seconds:
        return 0.0
    return max(share_lost(seconds), sum(second.concealed_ms for second in seconds) / (1000 * len(seconds)))


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
