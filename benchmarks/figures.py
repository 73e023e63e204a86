"""Figures with bars: how they are made, shown to people, printed for programs, and judged."""

import argparse
import json
import math
import operator
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final, TextIO

NO_BAR: Final = "-"
_COMPARISONS: Final[dict[str, Callable[[float, float], bool]]] = {
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    ">": operator.gt,
    "=": operator.eq,
}
_COLUMNS: Final = ("id", "figure", "value", "unit", "bar", "", "reference")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measured number. `value` is None when it could not be measured, and then it is never ok."""

    id: str
    name: str
    value: float | None
    unit: str
    bar: str
    ok: bool
    reference: str = ""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line asks for."""

    prints_json: bool = False
    only: tuple[str, ...] = ()
    is_quick: bool = False

    def wants(self, figure_id: str) -> bool:
        """`--only C1` means C1 and its parts, such as C1.p50."""
        return not self.only or any(
            figure_id == word or figure_id.startswith(f"{word}.") for word in self.only
        )


def figure(
    figure_id: str, name: str, value: float | None, unit: str, *, bar: str = NO_BAR, reference: str = ""
) -> Figure:
    """Judged by its bar, such as "<= 5" or NO_BAR. Raises ValueError for a bar that is none."""
    return Figure(
        id=figure_id,
        name=name,
        value=None if value is None else _rounded(value),
        unit=unit,
        bar=bar,
        ok=_holds(value, bar),
        reference=reference,
    )


def _holds(value: float | None, bar: str) -> bool:
    match = re.fullmatch(r"(<=|<|>=|>|=) (-?\d+(?:\.\d+)?)", bar)
    if match is None and bar != NO_BAR:
        raise ValueError(f"{bar!r} is no bar; it looks like '<= 5', or is {NO_BAR!r}")
    if value is None or not math.isfinite(value):
        return False
    return match is None or _COMPARISONS[match[1]](value, float(match[2]))


def _rounded(value: float) -> float | None:
    """Four significant digits; None for what JSON has no word for."""
    return float(f"{value:.4g}") if math.isfinite(value) else None


def quantile(values: Sequence[float], share: float) -> float | None:
    """The smallest measured value that at least `share` of all values do not exceed; None without values.

    Nearest rank, so that it is a time that really occurred: of 20 runs p95 is the second longest.
    """
    if not 0 < share <= 1:
        raise ValueError(f"a share lies between 0 and 1, not at {share}")
    # 0.95 * 20 is a little over 19 in binary.
    rank = math.ceil(round(share * len(values), 9))
    return sorted(values)[rank - 1] if values else None


def quantile_figures(
    figure_id: str,
    name: str,
    values: Sequence[float],
    unit: str,
    *,
    runs: int,
    p50_bar: str = NO_BAR,
    p95_bar: str = NO_BAR,
    reference: str = "",
) -> list[Figure]:
    """p50 and p95, each a figure. Neither is ok unless all `runs` of them were measured."""
    said = f"{runs} run{'' if runs == 1 else 's'}"
    said = said if len(values) == runs else f"{len(values)} of {said}"
    words = ", ".join([said, *([f"longest {max(values):.4g} {unit}"] if values else [])])
    words += f"; {reference}" if reference else ""
    found = [
        figure(f"{figure_id}.p50", f"{name}, p50", quantile(values, 0.5), unit, bar=p50_bar, reference=words),
        figure(
            f"{figure_id}.p95", f"{name}, p95", quantile(values, 0.95), unit, bar=p95_bar, reference=words
        ),
    ]
    return [replace(one, ok=one.ok and len(values) == runs) for one in found]


def options_parse(
    name: str, description: str, known: Iterable[str], words: Sequence[str] | None = None
) -> Options:
    """The command line of a benchmark. Ends the program when it asks for a figure that is not known."""
    ids = sorted(known)
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=description)
    parser.add_argument("--json", action="store_true", help="end the output with one line of JSON")
    parser.add_argument("--only", default="", metavar="ID,ID", help=f"a part of {', '.join(ids)}")
    parser.add_argument("--quick", action="store_true", help="a smaller sample, for a first look")
    arguments = parser.parse_args(words)
    only = tuple(word for word in arguments.only.split(",") if word)
    strange = [word for word in only if word not in ids]
    if strange:
        parser.error(f"there is no figure {', '.join(strange)}; there are {', '.join(ids)}")
    return Options(prints_json=arguments.json, only=only, is_quick=arguments.quick)


def table(figures: Sequence[Figure]) -> str:
    """Columns for people."""
    rows = [_COLUMNS, *(_row(found) for found in figures)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_COLUMNS) - 1)]
    lines = ["  ".join([*map(str.ljust, row, widths), row[-1]]).rstrip() for row in rows]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def _row(found: Figure) -> tuple[str, ...]:
    value = "not measured" if found.value is None else f"{found.value:g}"
    return (
        found.id,
        found.name,
        value,
        found.unit,
        found.bar,
        "ok" if found.ok else "MISSED",
        found.reference,
    )


def report(figures: Sequence[Figure], options: Options, *, out: TextIO | None = None) -> int:
    """Print the figures that were asked for. The exit code: 0 only when all of them were measured and ok."""
    out = out or sys.stdout
    chosen = [found for found in figures if options.wants(found.id)]
    if options.is_quick:
        print("A quick look: a small sample, whose p95 says little.", file=out)
    print(table(chosen), file=out)
    if options.prints_json:
        print(json.dumps({"figures": [asdict(found) for found in chosen]}), file=out)
    return 0 if chosen and all(found.ok and found.value is not None for found in chosen) else 1
