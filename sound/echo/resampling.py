"""Sound read from a delay line at a place between two samples, and a place that moves."""

from typing import Final

import numpy as np

from sound.echo.delay import Floats, Samples

HALF_TAPS: Final = 16
_PLACES: Final = np.arange(1 - HALF_TAPS, 1 + HALF_TAPS)


def moving_delay(line: Samples, count: int, *, begin: float, end: float) -> Samples:
    """The `count` samples before the end of `line`, delayed by `begin` samples at first and by `end` at last.

    The two differ by less than one. Needs `HALF_TAPS` samples of delay, and so many more of line. Two windowed sincs,
    faded into each other: exact for a delay that stays, and to -75 dB at 1 kHz for one that moves by 300 ppm.
    """
    whole = int(np.floor(min(begin, end)))
    first = len(line) - whole - count - HALF_TAPS
    around = line[first : first + count + 2 * HALF_TAPS - 1].astype(np.float64)
    early, late = (np.convolve(around, _interpolation(delay - whole), "valid") for delay in (begin, end))
    share = np.arange(1, count + 1) / count
    return np.asarray(np.clip(np.rint(early + share * (late - early)), -32768, 32767), np.int16)


def _interpolation(fraction: float) -> Floats:
    """Hann-windowed sinc that delays by `fraction`, 0 to 2, and HALF_TAPS - 1 samples more."""
    distance = _PLACES - fraction
    weights: Floats = np.sinc(distance) * (0.5 + 0.5 * np.cos(np.pi * distance / (HALF_TAPS + 1)))
    return weights / np.sum(weights)
