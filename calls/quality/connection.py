"""The connection of a call, window by window, and the sentence that tells of it in plain words."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from calls.quality.breaks import Break
from calls.quality.windows import CUT_OFF, Window
from protocol.quality import Bars

OFTEN = 0.3  # of the call
SHORT_S = 100  # up to here people count seconds
# Before anything is judged: at the beginning buffers fill, and one lost packet weighs much.
LEAST_SECONDS = 5


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
        bad = sum(bars < Bars.GOOD for bars in worst)
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
        bad = {i: w for i, w in enumerate(end.windows) if w.bars is not None and w.bars < Bars.GOOD}
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
