"""Loudness as listeners hear it: ITU-R BS.1770-4 for one channel, a gain, a limiter."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

TARGET_LUFS: Final = -16.0
CEILING_DB: Final = -1.5
MAX_GAIN_DB: Final = 30.0
_ABSOLUTE_GATE_LUFS = -70.0
_RELATIVE_GATE_LU = -10.0
_BLOCK_S, _HOP_S = 0.4, 0.1
_LOOKAHEAD_S = 0.005
_ROUNDS = 2  # the limiter takes a little loudness away; the second round gives it back

Samples = NDArray[np.float32]


def loudness_lufs(samples: Samples, rate_hz: int) -> float:
    """Gated loudness; -inf for silence. The filter is applied by FFT: its phase does not matter for a sum."""
    if len(samples) == 0:
        return -np.inf
    weighted = _k_weighted(samples, rate_hz)
    block, hop = round(_BLOCK_S * rate_hz), round(_HOP_S * rate_hz)
    if len(weighted) < block:
        weighted = np.pad(weighted, (0, block - len(weighted)))
    power = np.concatenate([[0.0], np.cumsum(weighted**2)])
    starts = np.arange(0, len(weighted) - block + 1, hop)
    mean = (power[starts + block] - power[starts]) / block
    loud = mean[_lufs(mean) > _ABSOLUTE_GATE_LUFS]
    if len(loud) == 0:
        return -np.inf
    loud = loud[_lufs(loud) > float(_lufs(loud.mean())) + _RELATIVE_GATE_LU]
    return float(_lufs(loud.mean()))


def _lufs(mean_square: NDArray[np.float64] | np.float64) -> NDArray[np.float64]:
    return np.asarray(-0.691 + 10 * np.log10(np.maximum(mean_square, 1e-12)))


def _k_weighted(samples: Samples, rate_hz: int) -> NDArray[np.float64]:
    size = 1 << (len(samples) + rate_hz // 10).bit_length()
    frequencies = np.fft.rfftfreq(size, 1 / rate_hz).astype(np.float64)
    spectrum = np.multiply(np.fft.rfft(samples, size), _k_response(frequencies))
    return np.asarray(np.fft.irfft(spectrum, size)[: len(samples)], np.float64)


def _k_response(frequencies: NDArray[np.float64]) -> NDArray[np.complex128]:
    """The two filters of BS.1770-4, annex 1, tables 1 and 2, as analogue prototypes fitted to them."""
    s = 1j * np.maximum(frequencies, 1e-3)
    shelf_hz, shelf_q, gain = 1681.97, 0.7072, 10 ** (4.0 / 20)
    band = gain**0.4997
    x = s / shelf_hz
    shelf = (gain * x**2 + band / shelf_q * x + 1) / (x**2 + x / shelf_q + 1)
    y = s / 38.135
    high_pass = y**2 / (y**2 + y / 0.5003 + 1)
    return np.asarray(shelf * high_pass)


def levelled(samples: Samples, rate_hz: int, target_lufs: float = TARGET_LUFS) -> Samples:
    """The same sound at `target_lufs`, no sample above the ceiling. Silence stays silence."""
    for _ in range(_ROUNDS):
        lufs = loudness_lufs(samples, rate_hz)
        if not np.isfinite(lufs):
            return samples
        gain_db = min(target_lufs - lufs, MAX_GAIN_DB)
        samples = limited(samples * np.float32(10 ** (gain_db / 20)), rate_hz)
    return samples


def limited(samples: Samples, rate_hz: int) -> Samples:
    """Turn down around peaks, smoothly and ahead of them, so that nothing passes the ceiling."""
    ceiling = 10 ** (CEILING_DB / 20)
    needed = np.minimum(1.0, ceiling / np.maximum(np.abs(samples), 1e-9))
    if needed.min() >= 1.0:
        return samples
    width = 2 * round(_LOOKAHEAD_S * rate_hz) + 1
    half = width // 2
    # The lowest gain within reach, then its average over the same reach: never above what a peak needs.
    lowest = np.lib.stride_tricks.sliding_window_view(
        np.pad(needed, 2 * half, constant_values=1.0), width
    ).min(axis=1)
    gain = np.convolve(lowest, np.full(width, 1 / width), mode="valid")
    return np.asarray(samples * gain, np.float32)
