"""What the room hears: the call, an announcement over it, the ring; one mixed frame every 20 ms."""

import asyncio
import time
from dataclasses import dataclass

import numpy as np
import structlog

from agent.audio import SampleBuffer, Samples, Speaker, padded
from agent.errors import AudioError
from protocol.audio import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE_HZ

log = structlog.get_logger(__name__)

DUCK_GAIN = 0.25  # -12 dB: the call under an announcement
_FRAME_S = FRAME_MS / 1000
_CALL_BUFFER_SAMPLES = 10 * FRAME_SAMPLES
_PREFILL_SAMPLES = 2 * FRAME_SAMPLES
_MAX_LATE_S = 0.5
_TAIL_FRAMES = 5  # of silence, so that a sound card's own buffer plays out


def tone(*, frequencies_hz: tuple[float, ...], duration_s: float, level: float) -> Samples:
    """(samples,) int16 with 10 ms ramps at both ends; `level` is the peak, 0 .. 1."""
    count = round(duration_s * SAMPLE_RATE_HZ)
    at_s = np.arange(count) / SAMPLE_RATE_HZ
    wave = sum(np.sin(2 * np.pi * hz * at_s) for hz in frequencies_hz) / len(frequencies_hz)
    ramp = np.clip(np.minimum(at_s, duration_s - at_s) / 0.01, 0, 1)
    return np.asarray(wave * ramp * level * 32767, np.int16)


# The ring of ITU-T E.180 as North America plays it (440 and 480 Hz), shortened to 1 s in 3 s.
RING = np.concatenate(
    [tone(frequencies_hz=(440.0, 480.0), duration_s=1.0, level=0.3), np.zeros(2 * SAMPLE_RATE_HZ, np.int16)]
)
CHIME = np.concatenate([tone(frequencies_hz=(hz,), duration_s=0.15, level=0.25) for hz in (659.0, 880.0)])


@dataclass(eq=False)
class _Clip:
    samples: Samples
    finished: asyncio.Future[None]
    ducks: bool
    position: int = 0

    def next_frame(self) -> Samples:
        frame = padded(self.samples[self.position : self.position + FRAME_SAMPLES])
        self.position += FRAME_SAMPLES
        return frame

    @property
    def is_over(self) -> bool:
        return self.position >= len(self.samples)


class Playout:
    """Runs only while there is something to hear."""

    def __init__(self, speaker: Speaker) -> None:
        self._speaker = speaker
        self._call = SampleBuffer(capacity=_CALL_BUFFER_SAMPLES)
        self._in_call = self._is_filled = False
        self._clips: list[_Clip] = []
        self._ring_position: int | None = None
        self._task: asyncio.Task[None] | None = None

    # --- what plays -------------------------------------------------------------------------

    def open_call(self) -> None:
        self._call.clear()
        self._in_call, self._is_filled = True, False
        self._wake()

    def write_call(self, samples: Samples) -> None:
        """From the call's connection, any length. Ignored outside a call."""
        if self._in_call:
            self._call.write(samples)

    def close_call(self) -> None:
        self._in_call = False

    def ring(self) -> None:
        self._ring_position = 0
        self._wake()

    def stop_ring(self) -> None:
        self._ring_position = None

    def chime(self) -> None:
        """A short sound that tells the room that a call was answered for it."""
        self._add(CHIME, ducks=False)

    async def play(self, samples: Samples) -> None:
        """Returns when the last sample went to the speaker. Raises AudioError when the speaker fails."""
        clip = self._add(samples, ducks=True)
        try:
            await clip.finished
        finally:
            if clip in self._clips:
                self._clips.remove(clip)

    async def aclose(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    # --- how it plays -----------------------------------------------------------------------

    def _add(self, samples: Samples, *, ducks: bool) -> _Clip:
        clip = _Clip(samples, asyncio.get_running_loop().create_future(), ducks)
        self._clips.append(clip)
        self._wake()
        return clip

    def _wake(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="playout")

    @property
    def _is_needed(self) -> bool:
        return self._in_call or bool(self._clips) or self._ring_position is not None

    async def _run(self) -> None:
        try:
            self._speaker.open()
        except AudioError as error:
            self._fail(error)
            return
        try:
            await self._play_until_quiet()
        except OSError as error:
            self._fail(AudioError(f"The speaker failed: {error.strerror}."))
        finally:
            self._speaker.close()

    async def _play_until_quiet(self) -> None:
        due_at, tail = time.monotonic(), _TAIL_FRAMES
        while self._is_needed or tail:
            tail = _TAIL_FRAMES if self._is_needed else tail - 1
            self._speaker.write(self.mix_frame())
            due_at += _FRAME_S
            late_s = time.monotonic() - due_at
            if late_s > _MAX_LATE_S:
                due_at += late_s  # after a pause of the whole machine, do not race
            await asyncio.sleep(max(0.0, due_at - time.monotonic()))

    def mix_frame(self) -> Samples:
        """The next 20 ms of everything. (FRAME_SAMPLES,) int16, clipped at full scale."""
        mix = self._call_frame().astype(np.float32)
        if any(clip.ducks for clip in self._clips):
            mix *= DUCK_GAIN
        for clip in tuple(self._clips):
            mix += clip.next_frame()
            if clip.is_over:
                self._clips.remove(clip)
                if not clip.finished.done():
                    clip.finished.set_result(None)
        if self._ring_position is not None:
            positions = np.arange(self._ring_position, self._ring_position + FRAME_SAMPLES) % len(RING)
            self._ring_position = (self._ring_position + FRAME_SAMPLES) % len(RING)
            mix += RING[positions]
        return np.clip(mix, -32768, 32767).astype(np.int16)

    def _call_frame(self) -> Samples:
        """Waits for 40 ms of sound before it starts, and again after it ran dry."""
        if not self._in_call:
            return padded(self._call.read(0))
        if not self._is_filled and len(self._call) < _PREFILL_SAMPLES:
            return padded(self._call.read(0))
        frame = self._call.read(FRAME_SAMPLES)
        self._is_filled = len(frame) == FRAME_SAMPLES
        return padded(frame)

    def _fail(self, error: AudioError) -> None:
        log.error("{reason}", reason=str(error))
        for clip in self._clips:
            if not clip.finished.done():
                clip.finished.set_exception(error)
        self._clips.clear()
        self._ring_position = None
