"""Redis that hangs, and Redis that is killed and comes back empty, under a call: what is heard of it.

The whole hub, a Chromium page and an agent on this machine; Redis is a private Valkey of this benchmark. Gaps are
counted in the sound itself: at the device's speaker, and out of the browser's decoder.
"""

import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.environment import django_ready
from benchmarks.figures import Figure, Options, figure

if TYPE_CHECKING:
    from tests.e2e.near import Away

FIGURES: Final = ("R5",)
_AWAY_S: Final = 30.0
_QUICK_S: Final = 8.0
_TRIALS: Final = 2


def measure(options: Options) -> list[Figure]:
    found: list[Away] = []
    seconds = _QUICK_S if options.is_quick else _AWAY_S
    try:
        with tempfile.TemporaryDirectory(prefix="hearthline-away-") as name:
            folder = Path(name)
            django_ready(folder / "own")
            _run(folder, seconds, found)
    except Exception:  # noqa: BLE001 - what was found until then counts, and the rest is missing
        traceback.print_exc()
    return _figures(found, seconds)


def _run(folder: Path, seconds: float, found: "list[Away]") -> None:
    from tests.e2e.near import near_house_open

    with near_house_open(folder) as near:
        for is_killed in (False, True):
            near.page.wait_for_timeout(3000)
            found.append(near.redis_away(seconds=seconds, is_killed=is_killed))


def _figures(found: "list[Away]", seconds: float) -> list[Figure]:
    said = f"hung, and killed and back empty, {seconds:.0f} s each"
    is_whole = len(found) == _TRIALS
    gaps = ", ".join(f"{1000 * one.gap_s:.0f} ms" for one in found)
    times = ", ".join(f"call {one.call_s:.1f} s, copy {one.right_s:.1f} s" for one in found)
    return [
        figure("R5.gap", "longest audio gap at either end", max(one.gap_s for one in found) if is_whole else None, "s",
               bar="<= 0.5", reference=f"{said}: {gaps}"),
        figure("R5.sockets", "sockets of page and device that were dropped",
               sum(one.sockets_dropped for one in found) if is_whole else None, "", bar="= 0"),
        figure("R5.health", "looks at which /healthz was not 200 or /readyz not 503",
               sum(one.wrong_health for one in found) if is_whole else None, "", bar="= 0"),
        figure("R5.right", "from its return until a new call was heard, and the last one's copy made",
               max(one.right_s for one in found) if is_whole else None, "s", bar="<= 10", reference=times),
    ]  # fmt: skip
