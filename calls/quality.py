"""How the connection of a call was, afterwards: a sentence in plain words, and curves for each end.

An end's connection has two directions. What it sent is counted at the hub, what it received at the end itself; of
that, what the hub had already missed of the other end is taken off, since a forwarded gap is not this end's fault.
Nor is what went wrong around a failure of the hub itself: such a second counts as not measured.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from calls.breaks import Break, breaks_of
from calls.models import Call, CallParticipant, LegStatistics, Measurer, ParticipantRole
from households.models import User
from protocol.quality import JITTER_HELD, Bars, bars_for, rating

WINDOW_S = 2.0
WINDOWS_MOST = 120
OFTEN = 0.3  # of the call
SHORT_S = 100  # up to here people count seconds
# Before anything is judged: at the beginning buffers fill, and one lost packet weighs much.
LEAST_SECONDS = 5
CUT_OFF = " was cut off"
_GOOD = Bars.GOOD


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
        return self.received > 0 and bars_for(r) >= _GOOD


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


@dataclass(frozen=True, kw_only=True)
class End:
    """One participant's connection, window by window."""

    name: str
    role: str
    windows: Sequence[Window]
    second_count: int = 0  # measured, of the direction of which more is known
    codec: str = ""
    path: str = ""
    is_reader: bool = False  # whoever reads this is the one at this end

    @property
    def was(self) -> str:
        """What stands before what happened to it."""
        return "You were" if self.is_reader else f"{self.name} was"

    def told(self, trouble: str) -> str:
        """The trouble of one of its windows, as the beginning of a sentence."""
        if not self.is_reader:
            return f"{self.name}{trouble}"
        return f"You were{trouble.removeprefix(' was')}" if trouble == CUT_OFF else f"Your{trouble[2:]}"

    @property
    def way(self) -> str:
        """How its sound came to the hub, in words; "" where nobody knows."""
        kinds = self.path.split()
        if len(kinds) != 3:
            return ""
        return "through a relay" if "relay" in kinds[:2] else "directly"

    @property
    def terms(self) -> str:
        """The same for engineers: transport and codec."""
        codec = self.codec.rpartition("/")[2].capitalize()
        return ", ".join(word for word in (self.path.rpartition(" ")[2].upper(), codec) if word)


@dataclass(frozen=True, kw_only=True)
class Connection:
    """What the page shows. `window_s`: how long each window of the ends is."""

    duration_s: float
    window_s: float
    ends: Sequence[End]
    breaks: Sequence[Break] = ()

    @property
    def sentence(self) -> str:
        if max((end.second_count for end in self.ends), default=0) < LEAST_SECONDS:
            return self._unjudged
        columns = list(self._columns())
        worst = [min(known) for each in columns if (known := [b for b in each if b is not None])]
        bad = sum(bars < _GOOD for bars in worst)
        good = 1 - bad / len(worst)
        if self.breaks:  # around them nothing counts but they themselves
            good = max(0.0, 1 - bad / len(columns) - self._broken_s / self.duration_s)
        if good == 1:
            best = sum(bars == Bars.VERY_GOOD for bars in worst) / len(worst)
            return "Very good the whole time." if best > 0.9 else "Good the whole time."
        return _sentences(_share(good, self.duration_s), self._failure, *map(self._trouble, self.ends))

    @property
    def _unjudged(self) -> str:
        is_short = self.duration_s < LEAST_SECONDS
        return _sentences(
            "The call was too short to tell" if is_short else "Too little was measured to tell", self._failure
        )

    @property
    def _broken_s(self) -> float:
        return sum(one.lasted_s for one in self.breaks)

    @property
    def _failure(self) -> str:
        """Of the hub."""
        if not self.breaks:
            return ""
        silent = f"nobody was heard for {self._broken_s:.1f} s"
        at = _clock(self.breaks[0].at_s)
        if len(self.breaks) == 1:
            return f"A part of the hub failed around {at}: {silent}"
        return f"A part of the hub failed {_times(len(self.breaks))}, first around {at}: {silent} in all"

    def _columns(self) -> Iterable[tuple[Bars | None, ...]]:
        return zip(*([window.bars for window in end.windows] for end in self.ends), strict=True)

    def _trouble(self, end: End) -> str:
        bad = {i: w for i, w in enumerate(end.windows) if w.bars is not None and w.bars < _GOOD}
        if not bad:
            return ""
        trouble = min(bad.values(), key=lambda window: (window.bars or 0, window.rating)).trouble
        alike = _runs([i for i, window in bad.items() if window.trouble == trouble])
        lasted = {i: len(run) for run in alike for i in run}
        index = min(lasted, key=lambda i: (bad[i].rating, -lasted[i]))
        if len(bad) > OFTEN * len(end.windows):
            when = "again and again"
        elif len(alike) > 1:
            most = "longest" if trouble == CUT_OFF else "worst"
            when = f"{_times(len(alike))}, {most} around {_clock(index * self.window_s)}"
        else:
            when = f"around {_clock(index * self.window_s)}"
        return f"{end.told(trouble)} {when}"


def call_connection(call: Call, reader: User | None = None) -> Connection | None:
    """None while the call lasts, when it was never connected, and when nothing was measured.

    To its `reader` it says "you".
    """
    if not call.connected_at or not call.ended_at:
        return None
    rows = list(
        LegStatistics.objects.filter(participant__call=call)
        .select_related("participant")
        .order_by("started_at")
    )
    if not rows:
        return None
    window_s = max(WINDOW_S, call.duration_s / WINDOWS_MOST)
    count = min(WINDOWS_MOST, max(1, int(call.duration_s / WINDOW_S)))
    legs = CallParticipant.objects.filter(call=call).select_related("call")
    participants = list(legs.order_by("-role"))  # the caller first
    by_leg = {p.pk: [row for row in rows if row.participant_id == p.pk] for p in participants}
    breaks = breaks_of(call)
    sent = {
        pk: _cut(_seconds(call, of_leg, Measurer.HUB, breaks), window_s, count)
        for pk, of_leg in by_leg.items()
    }
    ends = [_end(p, by_leg[p.pk], sent, breaks, window_s=window_s) for p in participants]
    if reader is not None and call.started_by_id == reader.pk:
        ends = [replace(end, is_reader=end.role == ParticipantRole.CALLER) for end in ends]
    return Connection(duration_s=call.duration_s, window_s=window_s, ends=ends, breaks=breaks)


def _end(
    participant: CallParticipant,
    rows: Sequence[LegStatistics],
    sent: dict[int, list[list[Second]]],
    breaks: Sequence[Break],
    *,
    window_s: float,
) -> End:
    up = sent[participant.pk]
    others = [windows for pk, windows in sent.items() if pk != participant.pk]
    down = _cut(_seconds(participant.call, rows, Measurer.END, breaks), window_s, len(up))
    windows = [
        window_of(up[i], down[i], lost_elsewhere=max((_lost(each[i]) for each in others), default=0.0))
        for i in range(len(up))
    ]
    last = rows[-1] if rows else None
    return End(
        name=participant.display_name,
        role=participant.role,
        windows=windows,
        second_count=max(sum(map(len, way)) for way in (up, down)),
        codec=next((row.codec for row in reversed(rows) if row.codec), "") if last else "",
        path=next((row.path for row in reversed(rows) if row.path), "") if last else "",
    )


def window_of(up: Sequence[Second], down: Sequence[Second], *, lost_elsewhere: float) -> Window:
    """Both directions of one end in the same seconds."""
    if not up and not down:
        return Window()
    silent = sum(second.received == 0 for second in up) / len(up) if up else 0.0
    lost = max(_lost(up), silent, _missed(down) - lost_elsewhere, 0.0)
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


def _seconds(
    call: Call, rows: Iterable[LegStatistics], measurer: Measurer, breaks: Sequence[Break]
) -> list[Second]:
    """Of one direction, but for the bad ones that the hub is to blame for."""
    if call.connected_at is None:
        return []
    found: list[Second] = []
    for row in rows:
        if row.measurer == measurer:
            begin_s = (row.started_at - call.connected_at).total_seconds()
            found += [_second(row, i, begin_s + i) for i in range(row.second_count)]
    return [
        second for second in found if second.is_good or not any(one.explains(second.at_s) for one in breaks)
    ]


def _second(row: LegStatistics, i: int, at_s: float) -> Second:
    jitter, concealed = row.jitter_tenth_ms[i], row.concealed_ms[i] if row.concealed_ms else None
    return Second(
        at_s=at_s,
        received=row.packets_received[i] or 0,
        lost=row.packets_lost[i] or 0,
        concealed_ms=concealed or 0,
        jitter_ms=None if jitter is None else jitter / 10,
        round_trip_ms=row.round_trip_time_ms[i],
    )


def _cut(seconds: Iterable[Second], window_s: float, count: int) -> list[list[Second]]:
    """What is left over at the end of the call belongs to the last window."""
    windows: list[list[Second]] = [[] for _ in range(count)]
    for second in seconds:
        index = int(second.at_s / window_s)
        if second.at_s >= 0 and index <= count:
            windows[min(index, count - 1)].append(second)
    return windows


def _lost(seconds: Sequence[Second]) -> float:
    lost = sum(second.lost for second in seconds)
    expected = lost + sum(second.received for second in seconds)
    return lost / expected if expected else 0.0


def _missed(seconds: Sequence[Second]) -> float:
    """Also what came too late to be played."""
    if not seconds:
        return 0.0
    return max(_lost(seconds), sum(second.concealed_ms for second in seconds) / (1000 * len(seconds)))


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _runs(indexes: Sequence[int]) -> list[list[int]]:
    """Stretches of numbers that follow each other."""
    runs: list[list[int]] = []
    for index in indexes:
        if runs and index == runs[-1][-1] + 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    return runs


def _share(good: float, duration_s: float) -> str:
    """To the second: a call of 2:58 with four bad ones is not good for two of three minutes."""
    total_s = max(1, round(duration_s))
    part_s = min(total_s - 1, round(good * total_s))
    if not part_s:
        return "Weak the whole time"
    if total_s < SHORT_S:
        return f"Good for {part_s} of {total_s} seconds"
    return f"Good for {_clock(part_s)} of {_clock(total_s)} minutes"


def _sentences(*said: str) -> str:
    return " ".join(f"{words}." for words in said if words)


def _times(count: int) -> str:
    return "twice" if count == 2 else f"{count} times"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
