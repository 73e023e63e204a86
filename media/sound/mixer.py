"""Pure arithmetic on samples: mix and soft clip."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from protocol.audio import FRAME_SAMPLES
from sound.opus import Samples

Floats = npt.NDArray[np.float32]

FULL_SCALE: Final = 32767.0
KNEE: Final = 0.7  # below this level nothing changes; above it the curve bends towards full scale


def silence() -> Samples:
    """One frame, shape (960,)."""
    return np.zeros(FRAME_SAMPLES, dtype=np.int16)


def soft_clip(samples: Floats) -> Floats:
    """Same shape, every value in [-1, 1]; linear up to KNEE, then a smooth, monotonic bend."""
    level = np.abs(samples)
    bent = KNEE + (1 - KNEE) * np.tanh((level - KNEE) / (1 - KNEE))
    return np.where(level <= KNEE, samples, np.sign(samples) * bent).astype(np.float32)


def mix(frames: Sequence[Samples]) -> Samples:
    """The sum of frames of shape (960,). One frame below the knee comes out unchanged; none gives silence."""
    if not frames:
        return silence()
    total = frames[0].astype(np.int32)
    for frame in frames[1:]:
        total += frame
    if max(total.max(), -total.min()) <= KNEE * FULL_SCALE:
        return total.astype(np.int16)
    clipped: Samples = np.rint(soft_clip(total.astype(np.float32) / FULL_SCALE) * FULL_SCALE).astype(np.int16)
    return clipped
