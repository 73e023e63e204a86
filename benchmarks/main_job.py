"""How long the main job takes: claim, call, transcript, announcement, and the start of the hub.

Everything is real: `manage.py up` with its private PostgreSQL and Valkey, `python -m agent`, Chromium, faster-whisper
and Piper with the models that are shipped. One hub and one page for all rounds; each round claims the device anew.
"""

import os
import statistics
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.environment import django_ready
from benchmarks.figures import Figure, Options, figure, options_parse, quantile_figures, report

if TYPE_CHECKING:
    from benchmarks.household_day import Day, Times

CALL_IDS: Final = ("call", "call-device", "transcript", "words")
ANNOUNCE_IDS: Final = ("fetched", "played")
START_IDS: Final = ("start", "first-start")
IDS: Final = ("claim", *CALL_IDS, *ANNOUNCE_IDS, *START_IDS)


@dataclass(frozen=True)
class Plan:
    """How often each thing is done."""

    rounds: int = 20
    second_starts: int = 20
    first_starts: int = 5  # each makes a database, which takes long and does the same work every time


QUICK: Final = Plan(rounds=3, second_starts=3, first_starts=1)


@dataclass
class Starts:
    first: list[float] = field(default_factory=list)
    second: list[float] = field(default_factory=list)


def main(arguments: list[str] | None = None) -> int:
    options = options_parse("main_job", (__doc__ or "").splitlines()[0], IDS, arguments)
    plan = QUICK if options.is_quick else Plan()
    _say(
        f"load average before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; the bars are for a quiet machine"
    )
    with tempfile.TemporaryDirectory(prefix="hearthline-benchmark-") as name:
        folder = Path(name)
        django_ready(folder / "own")
        starts = _starts(folder / "starts", options, plan)
        times = _rounds(folder / "house", options, plan)
    return report([*_round_figures(times, plan), *_start_figures(starts, plan)], options)


def _wants_any(options: Options, ids: tuple[str, ...]) -> bool:
    return any(options.wants(figure_id) for figure_id in ids)


def _rounds(folder: Path, options: Options, plan: Plan) -> "Times":
    from benchmarks.household_day import Times, day_open

    times = Times()
    folder.mkdir()

    def work() -> None:
        with day_open(folder, times) as day:
            for number in range(plan.rounds):
                _say(f"round {number + 1} of {plan.rounds}")
                _round(day, options, is_first=number == 0)

    if _wants_any(options, ("claim", *CALL_IDS, *ANNOUNCE_IDS)):
        _guarded(work)
    return times


def _round(day: "Day", options: Options, *, is_first: bool) -> None:
    if is_first:
        day.claim()
    elif options.wants("claim"):
        day.remove()
        day.claim()
    if _wants_any(options, CALL_IDS):
        day.call()
    if _wants_any(options, ANNOUNCE_IDS):
        day.announce()


def _starts(folder: Path, options: Options, plan: Plan) -> Starts:
    from benchmarks.starts import first_start, second_start

    starts = Starts()

    def work() -> None:
        for number in range(plan.first_starts if options.wants("first-start") else 1):
            _say(f"first start {number + 1}")
            starts.first.append(first_start(folder / str(number)))
        for number in range(plan.second_starts if options.wants("start") else 0):
            _say(f"second start {number + 1} of {plan.second_starts}")
            starts.second.append(second_start(folder / "0"))

    if _wants_any(options, START_IDS):
        _guarded(work)
    return starts


def _guarded(work: Callable[[], None]) -> None:
    """A part that breaks leaves its figures short of runs, and the other parts alone."""
    try:
        work()
    except Exception:  # noqa: BLE001 - the other parts have figures, too
        traceback.print_exc()


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def _round_figures(times: "Times", plan: Plan) -> list[Figure]:
    def both(figure_id: str, name: str, values: list[float], **more: str) -> list[Figure]:
        return quantile_figures(figure_id, name, values, "s", runs=plan.rounds, **more)

    clip = f"of which the clip {statistics.median(times.clip):.2f} s" if times.clip else ""
    lan = {"p50_bar": "<= 0.5", "p95_bar": "<= 1"}
    is_complete = len(times.transcript) == plan.rounds
    wrong = 100 * times.words_wrong / times.words_said if is_complete else None
    words = f"{times.words_wrong} of {times.words_said} words"
    return [
        *both("claim", "Confirm to online on the page", times.claim, p50_bar="<= 5", p95_bar="<= 5"),
        *both("call", "Call to connected and first sound in the browser", times.heard_by_caller, **lan),
        *both("call-device", "Call to the caller's first sound at the device", times.heard_by_device, **lan),
        *both(
            "transcript",
            "Hang up to transcript on the page",
            times.transcript,
            p50_bar="<= 10",
            p95_bar="<= 10",
        ),
        # Always the same two sentences, so this shows that calls were transcribed, not how well it is done.
        figure("words", "Words wrong in these transcripts", wrong, "%", reference=words),
        *both("fetched", "Send to fetched on the page", times.fetched),
        *both("played", "Send to played on the page", times.played, reference=clip),
    ]


def _start_figures(starts: Starts, plan: Plan) -> list[Figure]:
    second, first = starts.second, starts.first
    return [
        *quantile_figures(
            "start", "Second start", second, "s", runs=plan.second_starts, p50_bar="<= 10", p95_bar="<= 10"
        ),
        *quantile_figures("first-start", "First start", first, "s", runs=plan.first_starts),
    ]


if __name__ == "__main__":
    sys.exit(main())
