"""`python -m benchmarks.media`: every part in its turn, each in a process of its own, one table at the end."""

import subprocess
import sys
from typing import Final

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
from benchmarks.parts import Part, Subject, run

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


def _compile() -> None:
    """As `./start` does before a hub runs: nothing is measured while a worker compiles."""
    subprocess.run([sys.executable, "-m", "media.connection.loop"], check=True)


SUBJECT: Final = Subject(
    name="media",
    description="What the media engine costs, how late it is, what it survives.",
    parts=PARTS,
    prepare=_compile,
)

if __name__ == "__main__":
    sys.exit(run(SUBJECT))
