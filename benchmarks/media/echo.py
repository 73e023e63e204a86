"""Echo in virtual rooms: how much is removed, at which delay, with drift, and what it does to speech and to a core.

The far end is babble made from numbers (tests.house.sounds), the rooms are those of tests.house.room: echo 6 dB below
what is played, reverberation 0.25 s with its energy 9 dB over the direct sound, noise at -70 dBFS. No reference runs
beside it: without the canceller every figure is 0 dB.
"""

import time
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from benchmarks.figures import Figure, Options, figure
from media.sound.echo import LegEchoCanceller
from protocol.audio import FRAME_SAMPLES, SAMPLE_RATE_HZ
from sound.echo.canceller import EchoCanceller
from tests.house.measure import echo_removed_db, level_db, speech_kept_db
from tests.house.room import Room, Samples, through_room
from tests.house.sounds import voice

DELAYS_MS: Final = (30, 100, 200, 300, 450)
ALL_DELAYS_MS: Final = range(0, 801, 50)
FIGURES: Final = (
    *(f"E1.{delay}" for delay in DELAYS_MS),
    "E2.device",
    "E2.worker",
    "E3",
    "E3.late",
    "E4",
    "E5",
    "E6",
)

_SETTLED_S: Final = 2.0
_AUDIBLE_DB: Final = -55.0  # a second without echo has nothing to compare
_DRIFT_S: Final = 30.0
_LATE_S: Final = 5.0  # AEC3 changes its manners some 3 s after it began, with drift and without
_NEAR_FROM_S: Final = 4.0

Process = Callable[[Samples, Samples], Samples]


def measure(options: Options) -> list[Figure]:
    seeds = (1,) if options.is_quick else (1, 2, 3)
    far = voice(10.0, seed=2)
    _run(EchoCanceller().process, far[: 10 * FRAME_SAMPLES], far[: 10 * FRAME_SAMPLES])  # loads the library
    makers: tuple[tuple[tuple[str, ...], Callable[[], Iterator[Figure]]], ...] = (
        (FIGURES[: len(DELAYS_MS)], lambda: _removed(options, far, seeds)),
        (("E2.device",), lambda: _never_worse("E2.device", "device", far, seeds, _device)),
        (("E2.worker",), lambda: _never_worse("E2.worker", "worker", far, seeds, _worker)),
        (("E3", "E3.late"), lambda: _drift(seeds)),
        (("E4", "E5"), lambda: _double_talk(far, seeds)),
        (("E6",), lambda: _cost(far)),
    )
    return [found for ids, make in makers if any(map(options.wants, ids)) for found in make()]


def _device() -> Process:
    return EchoCanceller().process


def _worker() -> Process:
    leg = LegEchoCanceller()

    def process(far: Samples, taken: Samples) -> Samples:
        leg.far_end(far)
        return leg.process(taken)

    return process


def _run(process: Process, played: Samples, taken: Samples) -> Samples:
    begins = range(0, len(played), FRAME_SAMPLES)
    return np.concatenate(
        [process(played[at : at + FRAME_SAMPLES], taken[at : at + FRAME_SAMPLES]) for at in begins]
    )


def _removed(options: Options, far: Samples, seeds: tuple[int, ...]) -> Iterator[Figure]:
    for delay_ms, figure_id in zip(DELAYS_MS, FIGURES, strict=False):
        if not options.wants(figure_id):
            continue
        removed = []
        for seed in seeds:
            taken = through_room(Room(delay_ms=delay_ms, seed=seed), far)
            removed.append(echo_removed_db(taken, _run(_device(), far, taken), from_s=_SETTLED_S))
        words = f"from {_SETTLED_S:g} s to 10 s, the worst of {len(seeds)} rooms; best {max(removed):.0f} dB"
        yield figure(
            figure_id, f"echo removed at {delay_ms} ms", min(removed), "dB", bar=">= 30", reference=words
        )


def _never_worse(
    figure_id: str, word: str, far: Samples, seeds: tuple[int, ...], make: Callable[[], Process]
) -> Iterator[Figure]:
    """The worst second of all, from the first on; silence in the room counts as nothing."""
    worst: list[float] = []
    for delay_ms in ALL_DELAYS_MS:
        taken = through_room(Room(delay_ms=delay_ms, seed=seeds[-1]), far)
        sent = _run(make(), far, taken)
        for at in range(0, len(far) - SAMPLE_RATE_HZ + 1, SAMPLE_RATE_HZ):
            span = slice(at, at + SAMPLE_RATE_HZ)
            if level_db(taken[span]) > _AUDIBLE_DB:
                worst.append(level_db(taken[span]) - level_db(sent[span]))
    name = f"the least that is removed in any second at 0 to 800 ms, {word}"
    words = f"{len(ALL_DELAYS_MS)} delays, {len(worst)} seconds; 0: as if switched off"
    yield figure(figure_id, name, min(worst) if worst else None, "dB", bar=">= 0", reference=words)


def _drift(seeds: tuple[int, ...]) -> Iterator[Figure]:
    far = voice(_DRIFT_S, seed=2)
    removed: dict[float, dict[int, float]] = {_SETTLED_S: {}, _LATE_S: {}}
    for drift_ppm in (0, 100, -100):
        taken, sent = [], []
        for seed in seeds:
            taken.append(through_room(Room(delay_ms=100, seed=seed, drift_ppm=drift_ppm), far))
            sent.append(_run(_device(), far, taken[-1]))
        for from_s, found in removed.items():
            begin = round(from_s * SAMPLE_RATE_HZ)
            before, after = (np.concatenate([part[begin:] for part in parts]) for parts in (taken, sent))
            found[drift_ppm] = level_db(before) - level_db(after)
    for figure_id, (from_s, found) in zip(("E3", "E3.late"), removed.items(), strict=True):
        lost = found[0] - min(found[100], found[-100])
        words = ", ".join(f"{drift:+d} ppm {decibels:.1f} dB" for drift, decibels in found.items())
        name = f"what a clock drift of 100 ppm costs, from {from_s:g} s on"
        yield figure(figure_id, name, lost, "dB", bar="<= 3", reference=words)


def _double_talk(far: Samples, seeds: tuple[int, ...]) -> Iterator[Figure]:
    """Somebody speaks in the room as loud as the far end is heard there, from 4 s to the end."""
    begin = round(_NEAR_FROM_S * SAMPLE_RATE_HZ)
    near = np.zeros_like(far)
    near[begin:] = voice(10.0, seed=9, pitch_hz=210.0)[: len(far) - begin] // 2
    silence, kept, alone = np.zeros_like(far), [], []
    for seed in seeds:
        sent = _run(_device(), far, through_room(Room(delay_ms=100, seed=seed), far, near))
        kept.append(speech_kept_db(near, sent, from_s=_NEAR_FROM_S))
        sent = _run(_device(), silence, through_room(Room(delay_ms=100, seed=seed), silence, near))
        alone.append(speech_kept_db(near, sent, from_s=_NEAR_FROM_S))
    words = f"the worst of {len(seeds)} rooms, as loud as the echo"
    yield figure("E4", "speech in the room while both speak", min(kept), "dB", bar=">= -6", reference=words)
    yield figure(
        "E5", "speech in the room alone", min(alone), "dB", bar=">= -3", reference="noise suppressor"
    )


def _cost(far: Samples) -> Iterator[Figure]:
    taken, process = through_room(Room(delay_ms=100), far), _device()
    began_s = time.process_time()
    _run(process, far, taken)
    share = 100 * (time.process_time() - began_s) / (len(far) / SAMPLE_RATE_HZ)
    yield figure(
        "E6", "CPU of the device's processing in a call", share, "%", reference="of one core of this machine"
    )
