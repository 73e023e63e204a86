"""What was heard, in numbers."""

import numpy as np

from protocol.audio import FRAME_SAMPLES, SAMPLE_RATE_HZ
from tests.house.room import Samples


def level_db(samples: Samples) -> float:
    """Mean power against full scale, in dB."""
    power = float(np.mean(samples.astype(np.float64) ** 2)) if len(samples) else 0.0
    return 10 * float(np.log10(max(power, 1e-6) / 32768**2))


def echo_removed_db(before: Samples, after: Samples, *, from_s: float = 2.0) -> float:
    """Echo return loss enhancement from `from_s` to the end, of a time in which only the far end speaks."""
    begin = round(from_s * SAMPLE_RATE_HZ)
    return level_db(before[begin:]) - level_db(after[begin:])


def speech_kept_db(spoken: Samples, heard: Samples, *, from_s: float = 2.0) -> float:
    """How much softer `spoken` is in `heard`, 0 for unchanged and below for lost.

    In every 20 ms the part of `heard` that is `spoken` (its projection), in three bands, so that neither echo nor
    noise counts as speech. `spoken` and `heard` lie one over the other to within a few milliseconds.
    """
    window, kept, said = np.hanning(2 * FRAME_SAMPLES), 0.0, 0.0
    shift = _shift(spoken, heard)
    heard = np.roll(heard, -shift)
    for begin in range(round(from_s * SAMPLE_RATE_HZ), len(spoken) - 2 * FRAME_SAMPLES, FRAME_SAMPLES):
        span = slice(begin, begin + 2 * FRAME_SAMPLES)
        pure, mixed = np.fft.rfft(window * spoken[span]), np.fft.rfft(window * heard[span])
        for low_hz, high_hz in ((200, 800), (800, 2000), (2000, 4000)):
            band = slice(low_hz // 25, high_hz // 25)
            power = float(np.sum(np.abs(pure[band]) ** 2))
            if power > 0:
                gain = float(np.real(np.vdot(pure[band], mixed[band]))) / power
                kept, said = kept + gain**2 * power, said + power
    return 10 * float(np.log10(max(kept, 1e-9) / max(said, 1e-9)))


def _shift(spoken: Samples, heard: Samples) -> int:
    """By how many samples `heard` comes later; the processing itself takes a few milliseconds."""
    size = 1 << (2 * len(spoken) - 1).bit_length()
    cross = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(spoken, size)), size)
    return int(np.argmax(cross[: SAMPLE_RATE_HZ // 50]))
