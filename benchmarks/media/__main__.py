"""`python -m benchmarks.media`: every part in its turn, each in a process of its own, one table at the end."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.figures import Figure, Options, figure, options_parse, report, table
from benchmarks.media import (
    away,
    echo,
    forward,
    links,
    loss,
    malformed,
    mix,
    moves,
    nat,
    setup,
    soak,
    strangers,
    third_party,
)


@dataclass(frozen=True, kw_only=True)
class Part:
    """The figures that one module measures, by id, and how."""

    figures: tuple[str, ...]
    measure: Callable[[Options], list[Figure]]


PARTS: Final[tuple[Part, ...]] = (
    Part(figures=forward.FIGURES, measure=forward.measure),
    Part(figures=setup.FIGURES, measure=setup.measure),
    Part(figures=away.FIGURES, measure=away.measure),
    Part(figures=moves.FIGURES, measure=moves.measure),
    Part(figures=echo.FIGURES, measure=echo.measure),
    Part(figures=links.FIGURES, measure=links.measure),
    Part(figures=mix.FIGURES, measure=mix.measure),
    Part(figures=loss.FIGURES, measure=loss.measure),
    Part(figures=nat.FIGURES, measure=nat.measure),
    Part(figures=strangers.FIGURES, measure=strangers.measure),
    Part(figures=third_party.FIGURES, measure=third_party.measure),
    Part(figures=soak.FIGURES, measure=soak.measure),
    Part(figures=malformed.FIGURES, measure=malformed.measure),
)


def main(words: Sequence[str] | None = None) -> int:
    known = [figure_id for part in PARTS for figure_id in part.figures]
    options = options_parse(
        "media", "What the media engine costs, how late it is, what it survives.", known, words
    )
    parts = [part for part in PARTS if any(options.wants(figure_id) for figure_id in part.figures)]
    _compile()
    if len(parts) == 1:
        return report(parts[0].measure(options), options)
    return report([found for part in parts for found in _apart(part, options)], options)


def _compile() -> None:
    """As `./start` does before a hub runs: nothing is measured while a worker compiles."""
    subprocess.run([sys.executable, "-m", "media.connection.loop"], check=True)


def _apart(part: Part, options: Options) -> list[Figure]:
    """What it did to its process, such as a core that it chose, ends with it. A part that fails ends no other."""
    wanted = [figure_id for figure_id in part.figures if options.wants(figure_id)]
    command = [sys.executable, "-m", "benchmarks.media", "--json", "--only", ",".join(wanted)]
    load, began_s = os.getloadavg()[0], time.monotonic()
    done = subprocess.run(
        command + ["--quick"] * options.is_quick, stdout=subprocess.PIPE, text=True, check=False
    )
    found = _read(done.stdout) or [figure(name, "not measured: it failed", None, "") for name in wanted]
    print(
        f"{time.monotonic() - began_s:.0f} s, load average {load:.1f} before",
        table(found),
        sep="\n",
        file=sys.stderr,
    )
    return found


def _read(printed: str) -> list[Figure]:
    """Its last line; nothing where that is no figures."""
    try:
        return [Figure(**one) for one in json.loads(printed.splitlines()[-1])["figures"]]
    except (IndexError, ValueError):
        return []


if __name__ == "__main__":
    sys.exit(main())
