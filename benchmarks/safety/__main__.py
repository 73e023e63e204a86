"""`python -m benchmarks.safety`: every module of this folder in its turn, one table at the end."""

import importlib
import pkgutil
import sys
from typing import Final

import benchmarks.safety
from benchmarks.media import strangers
from benchmarks.parts import Part, Subject, run

NETWORKS: Final = tuple(figure_id for figure_id in strangers.FIGURES if figure_id.split(".")[0] == "S13")


def parts() -> tuple[Part, ...]:
    """Of the modules that have figures, in the order of their names; S13 is measured with the media engine."""
    found = []
    for info in pkgutil.iter_modules(benchmarks.safety.__path__):
        module = (
            importlib.import_module(f"benchmarks.safety.{info.name}") if info.name != "__main__" else None
        )
        if module is not None and hasattr(module, "FIGURES"):
            found.append(Part(figures=module.FIGURES, measure=module.measure))
    return (*found, Part(figures=NETWORKS, measure=strangers.measure))


SUBJECT: Final = Subject(
    name="safety",
    description="What must hold against people who should not get in.",
    parts=parts(),
)

if __name__ == "__main__":
    sys.exit(run(SUBJECT))
