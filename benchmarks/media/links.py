"""Links that fail under a call, and how soon both ends hear each other again. Nobody touches anything.

A browser and a device, each in a network namespace behind a router of its own; a hub on this machine. What counts is
heard: a tone at the device's speaker, another one out of the browser's decoder.
"""

import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psutil

from benchmarks.environment import django_ready
from benchmarks.figures import Figure, Options, figure

if TYPE_CHECKING:
    from tests.e2e.far import FarHouse
    from tests.fakes.network import Home

FIGURES: Final = ("R9.5s", "R9.30s", "R9.nat", "R9.gone")
_WITHIN_S: Final = 30.0
_WATCH_S: Final = 12.0  # also a second silence counts
_SETTLED_MS: Final = 5_000  # a renewal that still runs must not help the next trial
_NAMES: Final = {
    "R9.5s": ("Link gone for 5 s: heard both ways after its return, longest", "<= 2"),
    "R9.30s": ("Link gone for 30 s: heard both ways after its return, longest", "<= 10"),
    "R9.nat": ("NAT rebound: heard both ways after it, longest", "<= 10"),
    "R9.gone": ("Browser gone: microphone of the device off, longest", "<= 5"),
}
_MICROPHONE_OFF: Final = ("The microphone is off", "is over")


def measure(options: Options) -> list[Figure]:
    times: dict[str, list[float]] = {name: [] for name in FIGURES}
    rounds = 1 if options.is_quick else 3
    try:
        with tempfile.TemporaryDirectory(prefix="hearthline-links-") as name:
            folder = Path(name)
            django_ready(folder / "own")
            _run(folder, options, rounds, times)
    except Exception:  # noqa: BLE001 - what was found until then counts, and the rest is missing
        traceback.print_exc()
    trials = {"R9.5s": 2 * rounds, "R9.30s": 2 * rounds, "R9.nat": 2 * rounds, "R9.gone": 1}
    return [_figure(name, times[name], trials[name]) for name in FIGURES if options.wants(name)]


def _figure(name: str, times: list[float], trials: int) -> Figure:
    words, bar = _NAMES[name]
    is_whole = len(times) == trials
    said = ", ".join(f"{one:.2f}" for one in times)
    return figure(
        name,
        words,
        max(times) if is_whole else None,
        "s",
        bar=bar,
        reference=f"{len(times)} of {trials} trials: {said}",
    )


def _run(folder: Path, options: Options, rounds: int, times: dict[str, list[float]]) -> None:
    from tests.e2e.far import far_house_open

    with far_house_open(folder) as far:
        try:
            _trials(far, options, rounds, times)
        except AssertionError:
            print(far.describe(), file=sys.stderr)
            raise


def _trials(far: "FarHouse", options: Options, rounds: int, times: dict[str, list[float]]) -> None:
    far.call()
    homes = (far.page_home, far.device_home)
    for home in homes * rounds:
        far.page.wait_for_timeout(_SETTLED_MS)
        if options.wants("R9.5s"):
            times["R9.5s"].append(_gone(far, home, seconds=5))
        if options.wants("R9.30s"):
            times["R9.30s"].append(_gone(far, home, seconds=30))
        if options.wants("R9.nat"):
            times["R9.nat"].append(_rebound(far, home))
    if options.wants("R9.gone"):
        far.page.wait_for_timeout(_SETTLED_MS)
        times["R9.gone"].append(_killed(far))


def _gone(far: "FarHouse", home: "Home", *, seconds: int) -> float:
    home.cut()
    far.page.wait_for_timeout(1000 * seconds)
    home.heal()
    return far.silent_for(watch_s=_WATCH_S)


def _rebound(far: "FarHouse", home: "Home") -> float:
    far.page.wait_for_timeout(_SETTLED_MS)
    home.rebind()
    return far.silent_for(watch_s=_WATCH_S)


def _killed(far: "FarHouse") -> float:
    """The browser's processes end at once, without a word to anybody."""
    before = len(far.agent_log())
    began_s = time.monotonic()
    for process in psutil.Process().children(recursive=True):
        if "chrom" in process.name():
            process.kill()
    while not any(words in far.agent_log()[before:] for words in _MICROPHONE_OFF):
        if time.monotonic() - began_s > _WITHIN_S:
            raise AssertionError("the microphone of the device stayed on")
        time.sleep(0.02)
    return time.monotonic() - began_s
