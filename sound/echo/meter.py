"""How much of the echo is gone: the W3C's echoReturnLossEnhancement, measured in the running call."""

from collections import deque
from typing import Final

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]

_WINDOW_FRAMES: Final = 5  # of 20 ms
_SETTLING_WINDOWS: Final = 20  # 2 s of the far end, in which the canceller learns the room
_MIN_WINDOWS: Final = 10
_ACTIVE: Final = 100.0**2  # mean square of the reference: -50 dBFS
_OVER_NOISE: Final = 10.0  # the echo is 10 dB over the room's noise, else there is nothing to remove
_USUAL: Final = 3.0  # 5 dB over the usual echo: somebody in the room speaks
_REMEMBERED: Final = 600  # the last minute
_FADING: Final = 0.5  # of a room's echo, in 100 ms: 30 dB in a second
_ROUNDING: Final = 1 / 12  # the power of what int16 cannot say
_FULL_SCALE_DB: Final = 60.0  # what 16 bits and a quiet room can show


class EchoMeter:
    """Compares before with after, 100 ms at a time, in which the far end speaks and nobody in the room seems to.

    The worst tenth of them is left out: what somebody says in the room all the same is no echo that was left.
    """

    def __init__(self) -> None:
        self._powers = np.zeros(3)
        self._frames = self._active_windows = 0
        self._envelope = 0.0
        self._ratios: deque[float] = deque(maxlen=_REMEMBERED)
        self._quietest: deque[float] = deque(maxlen=_REMEMBERED)
        self._echoes: deque[tuple[float, float]] = deque(maxlen=_REMEMBERED)  # before, after

    def push(self, reference: Samples, before: Samples, after: Samples) -> None:
        """20 ms of each; the reference at the time of its echo."""
        self._powers += [_power(reference), _power(before), _power(after)]
        self._frames += 1
        if self._frames == _WINDOW_FRAMES:
            self._judge(*(self._powers / _WINDOW_FRAMES))
            self._powers, self._frames = np.zeros(3), 0

    @property
    def echo_return_loss_enhancement(self) -> float | None:
        """dB; None while there was too little echo to measure."""
        if len(self._echoes) < _MIN_WINDOWS:
            return None
        best = sorted(self._echoes, key=lambda echo: echo[1] / echo[0])[: len(self._echoes) * 9 // 10]
        before, after = (sum(powers) for powers in zip(*best, strict=True))
        return round(min(10 * float(np.log10(before / max(after, _ROUNDING))), _FULL_SCALE_DB), 1)

    def _judge(self, reference: float, before: float, after: float) -> None:
        self._quietest.append(before)
        self._envelope = max(reference, self._envelope * _FADING)
        if reference < _ACTIVE:
            return
        self._active_windows += 1
        ratio = before / self._envelope
        self._ratios.append(ratio)
        is_echo = before > _OVER_NOISE * min(self._quietest) and ratio < _USUAL * _lower_quarter(self._ratios)
        if is_echo and self._active_windows > _SETTLING_WINDOWS:
            self._echoes.append((before, after))


def _power(samples: Samples) -> float:
    return float(np.mean(samples.astype(np.float64) ** 2))


def _lower_quarter(values: deque[float]) -> float:
    return sorted(values)[len(values) // 4]
