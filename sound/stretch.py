"""A little more or less time from the same sound: one period of the voice is left out or said twice.

Waveform similarity overlap-add (Verhelst and Roelands, 1993): the two ends that meet are alike, and are
faded into each other, so that pitch and timbre stay.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from sound.level import is_quiet
from sound.opus import Samples

FADE_SAMPLES: Final = 480  # 10 ms, in which one end fades into the other
MIN_LAG: Final = 120  # 2.5 ms: a voice of 400 Hz
MAX_LAG: Final = 480  # 10 ms: a voice of 100 Hz; or two periods of a higher one
_COARSE: Final = 8  # the search first looks at every eighth sample
_ALIKE: Final = 0.7  # normalized correlation from which on two ends may meet

Floats = npt.NDArray[np.float32]


def shorten(samples: Samples, *, force: bool = False) -> Samples:
    """2.5 to 10 ms shorter; unchanged where no two places are alike, unless `force`.

    Needs FADE_SAMPLES + MAX_LAG samples.
    """
    lag = _find_lag(samples, force=force)
    if lag is None:
        return samples
    met = _fade(samples[:FADE_SAMPLES], samples[lag : lag + FADE_SAMPLES])
    return np.concatenate([met, samples[lag + FADE_SAMPLES :]])


def lengthen(samples: Samples, *, force: bool = False) -> Samples:
    """2.5 to 10 ms longer; unchanged where no two places are alike, unless `force`."""
    lag = _find_lag(samples, force=force)
    if lag is None:
        return samples
    met = _fade(samples[lag : lag + FADE_SAMPLES], samples[:FADE_SAMPLES])
    return np.concatenate([samples[:lag], met, samples[FADE_SAMPLES:]])


def _find_lag(samples: Samples, *, force: bool) -> int | None:
    if samples.size < FADE_SAMPLES + MAX_LAG:
        return None
    wave = samples[: FADE_SAMPLES + MAX_LAG].astype(np.float32)
    if is_quiet(samples[: FADE_SAMPLES + MAX_LAG]):
        return MAX_LAG
    coarse = wave.reshape(-1, _COARSE).mean(axis=1)
    lag, _ = _most_alike(coarse, FADE_SAMPLES // _COARSE, MIN_LAG // _COARSE, MAX_LAG // _COARSE)
    lag *= _COARSE
    lag, likeness = _most_alike(wave, FADE_SAMPLES, max(MIN_LAG, lag - _COARSE), min(MAX_LAG, lag + _COARSE))
    return lag if force or likeness >= _ALIKE else None


def _most_alike(wave: Floats, width: int, least: int, most: int) -> tuple[int, float]:
    """The lag from `least` to `most` at which the wave repeats its first `width` samples best, and how well."""
    windows = np.lib.stride_tricks.sliding_window_view(wave, width)[least : most + 1]
    beginning = wave[:width]
    energy = np.sqrt(np.einsum("ij,ij->i", windows, windows) * np.dot(beginning, beginning)) + 1.0
    likeness = windows @ beginning / energy
    best = int(likeness.argmax())
    return least + best, float(likeness[best])


def _fade(old: Samples, new: Samples) -> Samples:
    rise = np.linspace(0.0, 1.0, FADE_SAMPLES, dtype=np.float32)
    return np.rint(old * (1 - rise) + new * rise).astype(np.int16)
