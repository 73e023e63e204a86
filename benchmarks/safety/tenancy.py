"""S1: every address with every method, with every kind of id of a household, as people and devices of elsewhere."""

import logging
from typing import TYPE_CHECKING, Final

from benchmarks.figures import Figure, Options, figure
from benchmarks.safety.service import service_open

if TYPE_CHECKING:
    from tests.access.walk import Found

FIGURES: Final = ("S1.across", "S1.alike", "S1.rows")


def measure(options: Options) -> list[Figure]:
    logging.disable(logging.CRITICAL)  # each refusal is a line
    with service_open(processes=0):
        found = _walks(every_kind=not options.is_quick)
        rows = _without_row()
    requests = sum(one.requests for one in found.values())
    problems = [problem for one in found.values() for problem in one.problems]
    unlike = [problem for problem in problems if "answered otherwise" in problem]
    words = f"{requests} requests as {', '.join(found)}"
    across = len(problems) - len(unlike)
    return [
        figure("S1.across", "reads or writes across households", across, "", bar="<= 0", reference=words),
        figure(
            "S1.alike", "foreign ids that show", len(unlike), "", bar="<= 0", reference="; ".join(unlike[:3])
        ),
        figure("S1.rows", "addresses and messages without a row", rows, "", bar="<= 0"),
    ]


def _walks(*, every_kind: bool) -> "dict[str, Found]":
    from django_scopes import scopes_disabled

    from tests.access.rows import rows_fill
    from tests.access.strangers import STRANGERS, secrets_for, stranger
    from tests.access.walk import walk_foreign
    from tests.plugin_cast import _cast_make

    with scopes_disabled():
        cast = _cast_make()
    rows_fill(cast.anna, cast.kitchen)
    rows_fill(cast.carla, cast.cellar)
    return {
        who: walk_foreign(
            stranger(cast, who), of=cast.anna.household, secrets=secrets_for(who), every_kind=every_kind
        )
        for who in STRANGERS
    }


def _without_row() -> int:
    from config.checks import access_table_check

    return len(access_table_check())
