"""`python -m benchmarks.media`: every part in its turn, one table at the end."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.figures import Figure, Options, options_parse, report
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
    found: list[Figure] = []
    for part in PARTS:
        if any(options.wants(figure_id) for figure_id in part.figures):
            found += part.measure(options)
    return report(found, options)


if __name__ == "__main__":
    sys.exit(main())
