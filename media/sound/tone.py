"""A test tone."""

from typing import Final

import numpy as np

from protocol.audio import FRAME_SAMPLES, SAMPLE_RATE_HZ
from sound.opus import Samples

LEVEL_DB: Final = -12.0
RAMP_SAMPLES: Final = SAMPLE_RATE_HZ // 20  # 50 ms, so that it does not click
MIN_FREQUENCY_HZ: Final = 20
MAX_FREQUENCY_HZ: Final = 12_000


class Tone:
    """A sine of peak -12 dB full scale with a soft start and, after `lasts_s` or `stop`, a soft end."""

    def __init__(self, *, frequency_hz: int, lasts_s: float | None = None) -> None:
        self._frequency_hz = min(max(frequency_hz, MIN_FREQUENCY_HZ), MAX_FREQUENCY_HZ)
        self._position = 0
        self._ends_at = None if lasts_s is None else round(lasts_s * SAMPLE_RATE_HZ)

    def stop(self) -> None:
        ends_at = self._position + RAMP_SAMPLES
        self._ends_at = ends_at if self._ends_at is None else min(self._ends_at, ends_at)

    @property
    def finished(self) -> bool:
        return self._ends_at is not None and self._position >= self._ends_at

    def frame(self) -> Samples:
        """The next 960 samples, shape (960,)."""
        at = np.arange(self._position, self._position + FRAME_SAMPLES, dtype=np.float64)
        self._position += FRAME_SAMPLES
        envelope = np.clip(at / RAMP_SAMPLES, 0, 1)
        if self._ends_at is not None:
            envelope *= np.clip((self._ends_at - at) / RAMP_SAMPLES, 0, 1)
        peak = 32767 * 10 ** (LEVEL_DB / 20)
        wave = np.sin(2 * np.pi * self._frequency_hz * at / SAMPLE_RATE_HZ)
        return np.rint(peak * envelope * wave).astype(np.int16)
