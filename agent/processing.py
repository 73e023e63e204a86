"""Echo, noise and rumble out of the microphone, with what the speaker really plays as the reference."""

import numpy as np
import structlog

from agent.audio import SampleBuffer, Samples, padded
from protocol.audio import FRAME_SAMPLES
from sound.echo.canceller import EchoCanceller, is_available

log = structlog.get_logger(__name__)

_MOST_WAITING = 20 * FRAME_SAMPLES
_LOOK_FRAMES = 50  # 1 s in which too much reference waits all the time
_SILENT_FRAMES = 25  # 0.5 s without a word from the speaker: it is closed


class SoundProcessing:
    """`played` and `process` are called from the sound card's threads, everything else on the loop.

    For each frame that the microphone takes, one frame of what was played is used up, or silence where nothing
    plays. A speaker whose clock is faster lets the reference pile up, a slower one leaves it short: then the echo
    canceller gets two frames of it at once, or none, and resamples what is between.
    """

    def __init__(self) -> None:
        self.hears_room = False  # a file has no echo, and costs nothing
        self.is_on, self._is_in_call = True, False
        self._canceller: EchoCanceller | None = None
        self._played = SampleBuffer(capacity=_MOST_WAITING)
        self._input_latency_s = self._output_latency_s = 0.0
        self._least_waiting, self._frames = _MOST_WAITING, 0
        self._missing = 0  # frames of the reference that did not come, one after the other
        self._last_enhancement: float | None = None

    def load(self) -> None:
        """Takes a second or two, so once, and not on the loop."""
        if self.hears_room and not is_available():
            log.warning("Echo and noise stay: there is no echo canceller for this kind of machine.")

    # --- a call ------------------------------------------------------------------------------

    def begin(self) -> None:
        """A call begins: another room, perhaps."""
        self._is_in_call, self._last_enhancement = True, None
        self._played.clear()
        self._missing = _SILENT_FRAMES
        self._start()

    def end(self) -> None:
        self._stop()
        self._is_in_call = False

    def switch(self, *, is_on: bool) -> None:
        """Takes effect in the running call."""
        if is_on == self.is_on:
            return
        self.is_on = is_on
        if is_on and self._is_in_call:
            self._start()
        elif not is_on:
            self._stop()

    @property
    def echo_return_loss_enhancement(self) -> float | None:
        """dB, of this call or the last; None while there was too little echo to measure."""
        canceller = self._canceller
        return self._last_enhancement if canceller is None else canceller.meter.echo_return_loss_enhancement

    def _start(self) -> None:
        if self.is_on and self.hears_room and is_available():
            canceller = EchoCanceller()
            canceller.expect(latency_ms=1000 * (self._input_latency_s + self._output_latency_s))
            self._canceller = canceller

    def _stop(self) -> None:
        self._last_enhancement = self.echo_return_loss_enhancement
        self._canceller = None

    # --- a sound card ------------------------------------------------------------------------

    def set_latency(self, *, input_s: float | None = None, output_s: float | None = None) -> None:
        """What the card says about its own buffers, when it is opened."""
        self._input_latency_s = self._input_latency_s if input_s is None else input_s
        self._output_latency_s = self._output_latency_s if output_s is None else output_s
        if (canceller := self._canceller) is not None:
            canceller.expect(latency_ms=1000 * (self._input_latency_s + self._output_latency_s))

    def played(self, samples: Samples) -> None:
        """Samples on their way to the loudspeaker, silence included."""
        if self._is_in_call:
            self._played.write(samples)

    def process(self, samples: Samples) -> Samples:
        """20 ms of the microphone, (960,) int16; the same without echo and noise."""
        canceller = self._canceller
        if canceller is None:
            return samples
        reference = self._reference()
        try:
            return canceller.process(reference, samples)
        except RuntimeError as error:
            # An exception in a sound card's thread would stop the microphone.
            log.error("Echo and noise stay in this call.", reason=type(error).__name__)
            self._canceller = None
            return samples

    def _reference(self) -> Samples:
        """Mostly one frame."""
        reference = self._played.read(FRAME_SAMPLES)
        if len(reference) == 0:
            return self._no_reference()
        self._missing = 0
        self._least_waiting = min(self._least_waiting, len(self._played))
        self._frames += 1
        if self._frames == _LOOK_FRAMES:
            if self._least_waiting >= FRAME_SAMPLES:
                reference = np.concatenate([padded(reference), self._played.read(FRAME_SAMPLES)])
            self._least_waiting, self._frames = _MOST_WAITING, 0
        return reference if len(reference) > FRAME_SAMPLES else padded(reference)

    def _no_reference(self) -> Samples:
        """Late or silent? For half a second late; then all of that was silence."""
        self._missing += 1
        if self._missing == _SILENT_FRAMES:
            return np.zeros(_SILENT_FRAMES * FRAME_SAMPLES, np.int16)
        return np.zeros(0 if self._missing < _SILENT_FRAMES else FRAME_SAMPLES, np.int16)
