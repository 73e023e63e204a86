"""A clip, decoded in a thread into a small bounded buffer of 20 ms frames."""

import asyncio
import queue
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import av
import numpy as np
import structlog

from media.sound.mixer import silence
from protocol.audio import FRAME_SAMPLES, SAMPLE_RATE_HZ
from sound.opus import Samples, mono_samples

log = structlog.get_logger(__name__)

BUFFERED_FRAMES: Final = 50  # one second
_POLL_S: Final = 0.2


class ClipError(Exception):
    """The clip cannot be played. The text is for people."""


class ClipPlayer:
    """Plays one file. Make it with `open`; take a frame every 20 ms; `close` ends the thread."""

    def __init__(self, container: av.container.InputContainer) -> None:
        self._container = container
        self._frames: queue.Queue[Samples | None] = queue.Queue(maxsize=BUFFERED_FRAMES)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="clip-decoder", daemon=True)
        self.finished = False
        self.underruns = 0
        self._thread.start()

    @classmethod
    async def open(cls, path: Path) -> "ClipPlayer":
        """Raises ClipError where the file is missing or holds no audio that FFmpeg can read."""
        container = await asyncio.to_thread(_open, path)
        return cls(container)

    def frame(self) -> Samples:
        """The next 960 samples; silence while the decoder is behind and after the end."""
        if self.finished:
            return silence()
        try:
            samples = self._frames.get_nowait()
        except queue.Empty:
            self.underruns += 1
            return silence()
        if samples is None:
            self.finished = True
            return silence()
        return samples

    def close(self) -> None:
        """End early. The thread notices within 0.2 s; nothing waits for it."""
        self.finished = True
        self._stop.set()

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread, not on the loop. False: it still runs."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            for samples in _decode(self._container):
                if not self._put(samples):
                    return
        except (av.FFmpegError, OSError, ValueError) as error:
            # A file that breaks off is played as far as it goes.
            log.warning("clip_broke_off", error=type(error).__name__)
        finally:
            self._container.close()
            self._put(None)

    def _put(self, samples: Samples | None) -> bool:
        while not self._stop.is_set():
            try:
                self._frames.put(samples, timeout=_POLL_S)
            except queue.Full:
                continue
            return True
        return False


def _open(path: Path) -> av.container.InputContainer:
    try:
        container = av.open(str(path), mode="r")
    except (av.FFmpegError, OSError, ValueError):
        raise ClipError("The clip cannot be read.") from None
    if not container.streams.audio:
        container.close()
        raise ClipError("The clip holds no audio.")
    return container


def _decode(container: av.container.InputContainer) -> Iterator[Samples]:
    """Frames of exactly 960 samples, the last one filled with silence."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE_HZ, frame_size=FRAME_SAMPLES)
    for decoded in container.decode(audio=0):
        for frame in resampler.resample(decoded):
            yield _filled(frame)
    for frame in resampler.resample(None):
        yield _filled(frame)


def _filled(frame: av.AudioFrame) -> Samples:
    samples = mono_samples(frame)
    return np.pad(samples, (0, FRAME_SAMPLES - samples.size)) if samples.size < FRAME_SAMPLES else samples
