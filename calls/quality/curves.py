"""The curves of a call's connection, as paths for an SVG."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from calls.quality.breaks import Break
from calls.quality.connection import Connection
from calls.quality.windows import Window

WIDTH = 600
HEIGHT = 90
LEAST_WIDTH = 6


@dataclass(frozen=True, kw_only=True)
class Line:
    """One end's curve. `d` as SVG has it; a gap where nothing was measured. `most` in words."""

    name: str
    role: str
    d: str
    most: str


@dataclass(frozen=True, kw_only=True)
class Span:
    """A piece of the chart's time; `x` and `width` as SVG has them."""

    x: str
    width: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    title: str
    term: str  # the title for engineers
    top: str  # the value at the upper edge, with its unit
    lines: Sequence[Line]
    gaps: Sequence[Span]  # in which nobody measured this
    failures: Sequence[Span]  # of the hub


@dataclass(frozen=True)
class _Measure:
    title: str
    term: str
    unit: str
    least_top: float  # so that a quiet curve looks quiet
    value: Callable[[Window], float | None]


_MEASURES = (
    _Measure("Sound that got lost", "packet loss", "%", 5, lambda window: window.lost_percent),
    _Measure("Uneven sound", "jitter", "ms", 20, lambda window: window.jitter_ms),
    _Measure("Delay", "round trip", "ms", 100, lambda window: window.round_trip_ms),
)


def charts_of(connection: Connection) -> list[Chart]:
    return [_chart(measure, connection) for measure in _MEASURES]


def _chart(measure: _Measure, connection: Connection) -> Chart:
    values = [[measure.value(window) for window in end.windows] for end in connection.ends]
    known = [value for each in values for value in each if value is not None]
    top = _round_up(max([measure.least_top, *known]))
    lines = [
        Line(
            name="You" if end.is_reader else end.name,
            role=end.role,
            d=_path(each, top),
            most=_words(max((value for value in each if value is not None), default=None), measure.unit),
        )
        for end, each in zip(connection.ends, values, strict=True)
    ]
    gaps = _gaps([all(value is None for value in column) for column in zip(*values, strict=True)])
    top_words = _words(top, measure.unit)
    return Chart(
        title=measure.title,
        term=measure.term,
        top=top_words,
        lines=lines,
        gaps=gaps,
        failures=[_failure(one, connection.duration_s) for one in connection.breaks],
    )


def _path(values: Sequence[float | None], top: float) -> str:
    step, pen, parts = WIDTH / max(1, len(values)), "M", []
    for i, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        y = HEIGHT * (1 - value / top)
        # Each window is a level of its own length, so that a call of one window is seen too.
        parts.append(f"{pen}{i * step:.1f} {y:.1f}H{(i + 1) * step:.1f}")
        pen = "L"
    return "".join(parts)


def _gaps(is_empty: Sequence[bool]) -> list[Span]:
    """Stretches of windows without anything."""
    step, gaps = WIDTH / max(1, len(is_empty)), []
    begin = 0
    for is_gap, run in groupby(is_empty):
        end = begin + len(list(run))
        if is_gap:
            gaps.append(Span(x=f"{begin * step:.1f}", width=f"{(end - begin) * step:.1f}"))
        begin = end
    return gaps


def _failure(broken: Break, duration_s: float) -> Span:
    """Wide enough to be seen in a long call."""
    width = max(LEAST_WIDTH, WIDTH * broken.lasted_s / duration_s)
    return Span(x=f"{min(WIDTH * broken.at_s / duration_s, WIDTH - width):.1f}", width=f"{width:.1f}")


def _round_up(value: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    size = 10 ** math.floor(math.log10(value))
    return next(float(step * size) for step in (1, 2, 5, 10) if step * size >= value)


def _words(value: float | None, unit: str) -> str:
    if value is None:
        return "not measured"
    return f"{value:.1f} {unit}" if 0 < value < 10 and value != int(value) else f"{value:.0f} {unit}"
