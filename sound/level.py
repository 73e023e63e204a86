"""How loud sound is."""

from typing import Final

import numpy as np
import numpy.typing as npt

QUIET_RMS: Final = 100.0  # of 32767, -50 dB of full scale: nobody hears what is left out there


def is_quiet(samples: npt.NDArray[np.int16]) -> bool:
    wave = samples.astype(np.float32)
    return bool(np.dot(wave, wave) < QUIET_RMS**2 * wave.size)
