"""Echo cancellation in the worker, for a device that cannot: a voice processor of the mix.

The far end is what was sent to the leg; its echo has been to the device and back, through two networks and two
jitter buffers. So a guard decides, twenty milliseconds at a time, whether the cleaned sound is better than none.
"""

from collections import deque
from typing import Final

import numpy as np
import structlog

from sound.echo.canceller import EchoCanceller
from sound.opus import Samples

log = structlog.get_logger(__name__)

MAX_LOOP_DELAY_MS: Final = 450.0  # beyond this, networks that swing are seldom steady enough
_LOOK_FRAMES: Final = 50  # 1 s
_LEAST_REMOVED: Final = 2.0  # 3 dB in the last second in which there was something to remove
_AUDIBLE: Final = 60.0**2  # mean square: -55 dBFS; below it there is nothing to judge


class EchoGuard:
    """Says whether to use what the canceller made: its delay is known and short enough, and it removes something.

    While nobody of the far end speaks the last judgement stays.
    """

    def __init__(self) -> None:
        self._before: deque[float] = deque(maxlen=_LOOK_FRAMES)
        self._after: deque[float] = deque(maxlen=_LOOK_FRAMES)
        self._is_good = False

    def judge(self, *, delay_ms: float | None, far: Samples, before: Samples, after: Samples) -> bool:
        """`far`: what the leg was sent 20 ms ago; `before` and `after`: the microphone and what was made of it."""
        if delay_ms is None or delay_ms > MAX_LOOP_DELAY_MS:
            self._before.clear()
            self._after.clear()
            self._is_good = False
            return False
        if _power(far) > _AUDIBLE and _power(before) > _AUDIBLE:
            self._before.append(_power(before))
            self._after.append(_power(after))
            if len(self._before) == _LOOK_FRAMES or not self._is_good:
                self._is_good = self._removes()
        return self._is_good

    def _removes(self) -> bool:
        """In at least one frame of ten: who speaks in the room at the same time must not turn it off."""
        ratios = sorted(
            (b / max(a, 1e-3) for b, a in zip(self._before, self._after, strict=True)), reverse=True
        )
        return ratios[len(ratios) // 10] > _LEAST_REMOVED


class LegEchoCanceller:
    """The voice processor of one leg: `far_end` what it is sent, `process` what came from it.

    Falls back to the untouched sound, faded over 20 ms, and never raises.
    """

    def __init__(self) -> None:
        """Raises RuntimeError where there is no echo canceller for this kind of machine."""
        self._canceller: EchoCanceller | None = EchoCanceller()
        self._guard = EchoGuard()
        self._far: Samples | None = None
        self._share = 0.0  # of the cleaned sound in what goes out

    @property
    def is_active(self) -> bool:
        return self._share > 0

    @property
    def delay_ms(self) -> float | None:
        return self._canceller.delay_ms if self._canceller is not None else None

    @property
    def echo_return_loss_enhancement(self) -> float | None:
        """dB; None while nothing was measured."""
        return self._canceller.meter.echo_return_loss_enhancement if self._canceller is not None else None

    def far_end(self, samples: Samples) -> None:
        """(960,) int16 that the leg is sent; before `process` of the same 20 ms."""
        self._far = samples

    def process(self, samples: Samples) -> Samples:
        """(960,) int16 that came from the leg; the same without echo, or as it was."""
        canceller = self._canceller
        if canceller is None:
            return samples
        far, self._far = self._far if self._far is not None else np.zeros_like(samples), None
        try:
            cleaned = canceller.process(far, samples)
        except RuntimeError as error:
            log.error("echo_canceller_failed", reason=type(error).__name__)
            self._canceller = None
            return samples
        is_good = self._guard.judge(delay_ms=canceller.delay_ms, far=far, before=samples, after=cleaned)
        return self._faded(samples, cleaned, 1.0 if is_good else 0.0)

    def _faded(self, before: Samples, after: Samples, share: float) -> Samples:
        begin, self._share = self._share, share
        if begin == share:
            return after if share else before
        shares = np.linspace(begin, share, len(before))
        return np.asarray(np.rint(before + shares * (after.astype(np.float64) - before)), np.int16)


def _power(samples: Samples) -> float:
    return float(np.mean(samples.astype(np.float64) ** 2))
