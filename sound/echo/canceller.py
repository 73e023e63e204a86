"""Echo, noise and rumble out of a microphone: WebRTC's audio processing, fed at the right time.

WebRTC's AEC3 finds a delay by itself, slowly and up to some 450 ms. Here the delay is found outside, and the
reference is held back by it, so that AEC3 always sees the echo a few milliseconds after its cause. Where the clocks
of speaker and microphone drift apart, the reference is resampled to the microphone's: AEC3 does not follow well.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, Final

import numpy as np

from protocol.audio import SAMPLE_RATE_HZ
from sound.echo.delay import MAX_DELAY_MS, Decimator, DelayFinder, Samples
from sound.echo.drift import DriftFinder
from sound.echo.meter import EchoMeter
from sound.echo.resampling import HALF_TAPS, moving_delay

_STEP_SAMPLES: Final = SAMPLE_RATE_HZ // 100  # AEC3 takes 10 ms at a time
_SAMPLES_PER_MS: Final = SAMPLE_RATE_HZ // 1000
_LEAD_MS: Final = 7  # by which the reference comes before its echo; more of it is less room for AEC3
_KEPT_MS: Final = (2.0, 60.0)  # a lead within these is left alone: a new one costs AEC3 what it learned
_MOST_HELD_BACK: Final = float(SAMPLE_RATE_HZ * MAX_DELAY_MS // 1000)
_LINE_SAMPLES: Final = SAMPLE_RATE_HZ * (MAX_DELAY_MS + 100) // 1000
_MAX_HINT_MS: Final = 500  # WebRTC refuses more


@cache
def _rtc() -> Any:
    """The library, None where it has no wheel."""
    try:
        from livekit import rtc
    except (ImportError, OSError):
        return None
    return rtc


def is_available() -> bool:
    """False: no wheel for this kind of machine. The first call takes a second or two."""
    return _rtc() is not None


class EchoCanceller:
    """For one microphone and one loudspeaker, from a call's beginning to its end. 3 to 5 % of a PC's core."""

    def __init__(self) -> None:
        """Raises RuntimeError where `is_available()` is False."""
        if not is_available():
            raise RuntimeError("There is no echo canceller for this kind of machine.")
        self._hint_ms = 0
        self._module = self._new_module()
        self._decimators = Decimator(), Decimator(), Decimator()
        self._finder, self._drift = DelayFinder(), DriftFinder()
        self._held_back = 0.0  # samples
        self._made_up = 0.0  # samples of drift, in it
        self._line = np.zeros(_LINE_SAMPLES, np.int16)
        self.meter = EchoMeter()

    @property
    def delay_ms(self) -> float | None:
        """From the reference to its echo; None until it was found."""
        return self._finder.delay_ms

    @property
    def drift_ppm(self) -> float:
        """By how much the microphone's clock is faster than the speaker's; 0 while nothing is known."""
        return self._drift.ppm

    def expect(self, *, latency_ms: float) -> None:
        """What the sound card says about its buffers. It counts until the delay is found."""
        if self._finder.delay_ms is None:
            self._hint_ms = round(min(max(latency_ms, 0.0), _MAX_HINT_MS))

    def process(self, reference: Samples, microphone: Samples) -> Samples:
        """(m,) and (n,) int16 at 48 kHz, multiples of 480: what was played, what was taken meanwhile.

        m is not n where one clock has gained on the other; m may be 0. No sample of what was played may be missing.
        """
        played, taken = self._decimators[0].push(reference), self._decimators[1].push(microphone)
        if slip := len(reference) - len(microphone):
            self._held_back = min(self._held_back + slip, _MOST_HELD_BACK)
            self._finder.slip(slip / _SAMPLES_PER_MS)
        self._finder.push(played, taken)
        self._align()
        self._line = np.concatenate([self._line, reference])[-_LINE_SAMPLES:]
        aligned = self._delayed(len(microphone))
        steps = range(0, len(microphone), _STEP_SAMPLES)
        cleaned = [
            self._step(aligned[at : at + _STEP_SAMPLES], microphone[at : at + _STEP_SAMPLES]) for at in steps
        ]
        result: Samples = np.concatenate(cleaned)
        if (delay_ms := self._finder.delay_ms) is not None:
            # Before that, what is there may be the room alone.
            self.meter.push(aligned, microphone, result)
            lead_s = (delay_ms - self._held_back / _SAMPLES_PER_MS) / 1000
            self._drift.push(
                self._decimators[2].push(aligned),
                taken,
                made_up_s=self._made_up / SAMPLE_RATE_HZ,
                lead_s=lead_s,
            )
        return result

    def _align(self) -> None:
        if (delay_ms := self._finder.delay_ms) is None:
            return
        lead_ms = delay_ms - self._held_back / _SAMPLES_PER_MS
        if _KEPT_MS[0] <= lead_ms <= _KEPT_MS[1] or (lead_ms < _KEPT_MS[0] and self._held_back <= 0):
            return
        self._held_back = float(max(0, round((delay_ms - _LEAD_MS) * _SAMPLES_PER_MS)))
        self._drift.restart()
        self._hint_ms = _LEAD_MS
        # A module that has learned another delay takes longer to unlearn it than a new one to learn this.
        self._module = self._new_module()

    def _delayed(self, count: int) -> Samples:
        """The next samples of the reference, held back, by the microphone's clock; silence where none came yet."""
        begin = end = self._held_back
        if drift := self._drift.ppm * 1e-6 * count:
            end = min(max(begin + drift, min(begin, 0.0)), _MOST_HELD_BACK)
            self._held_back = end
            self._made_up += end - begin
        missing = max(0, HALF_TAPS - int(np.floor(min(begin, end))))
        line = np.concatenate([self._line, np.zeros(missing, np.int16)])
        if begin == end and begin.is_integer():
            last = len(self._line) - int(begin)
            return line[last - count : last]
        return moving_delay(line, count, begin=begin + missing, end=end + missing)

    def _step(self, reference: Samples, microphone: Samples) -> Samples:
        self._module.process_reverse_stream(_frame(reference))
        self._module.set_stream_delay_ms(self._hint_ms)
        frame = _frame(microphone)
        self._module.process_stream(frame)
        samples: Samples = np.frombuffer(frame.data, np.int16)
        return samples

    def _new_module(self) -> Any:
        return _rtc().AudioProcessingModule(
            echo_cancellation=True, noise_suppression=True, high_pass_filter=True, auto_gain_control=False
        )


def _frame(samples: Samples) -> Any:
    # A bytearray, because the library writes its answer into it.
    make: Callable[..., Any] = _rtc().AudioFrame
    return make(bytearray(samples.tobytes()), SAMPLE_RATE_HZ, 1, len(samples))
