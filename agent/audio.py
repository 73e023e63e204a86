"""Microphones and speakers: 48 kHz, mono, int16, frames of 20 ms (protocol.audio). Never blocking."""

import threading
from fractions import Fraction
from typing import Final, Protocol

import av
import numpy as np
import numpy.typing as npt

from agent.errors import AudioError
from protocol.audio import FRAME_SAMPLES, SAMPLE_RATE_HZ

Samples = npt.NDArray[np.int16]
TIME_BASE: Final = Fraction(1, SAMPLE_RATE_HZ)
SILENCE: Final[Samples] = np.zeros(FRAME_SAMPLES, np.int16)
SILENCE.flags.writeable = False


class Microphone(Protocol):
    """Open between `open()` and `close()`, which is the time of a call."""

    def open(self) -> None:
        """Raises AudioError."""

    def read(self) -> Samples:
        """The next FRAME_SAMPLES samples; silence where there are none. Called every 20 ms."""

    def close(self) -> None: ...


class Speaker(Protocol):
    """Open while something plays."""

    def open(self) -> None:
        """Raises AudioError."""

    def write(self, samples: Samples) -> None:
        """Takes FRAME_SAMPLES samples. Called every 20 ms."""

    def close(self) -> None: ...


class SampleBuffer:
    """A ring of samples between two threads. Too much drops the oldest: late sound is worse than none."""

    def __init__(self, *, capacity: int) -> None:
        self._ring = np.zeros(capacity, np.int16)
        self._start = self._length = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self._length

    def write(self, samples: Samples) -> None:
        capacity = len(self._ring)
        samples = samples[-capacity:]
        with self._lock:
            overflow = max(0, self._length + len(samples) - capacity)
            self._start = (self._start + overflow) % capacity
            self._length -= overflow
            positions = np.arange(self._start + self._length, self._start + self._length + len(samples))
            self._ring[positions % capacity] = samples
            self._length += len(samples)

    def read(self, count: int) -> Samples:
        """At most `count` samples."""
        with self._lock:
            count = min(count, self._length)
            samples: Samples = self._ring[np.arange(self._start, self._start + count) % len(self._ring)]
            self._start = (self._start + count) % len(self._ring)
            self._length -= count
            return samples

    def clear(self) -> None:
        with self._lock:
            self._start = self._length = 0


def padded(samples: Samples) -> Samples:
    """Exactly FRAME_SAMPLES, with silence at the end."""
    if len(samples) == FRAME_SAMPLES:
        return samples
    frame = np.zeros(FRAME_SAMPLES, np.int16)
    frame[: len(samples)] = samples[:FRAME_SAMPLES]
    return frame


def to_frame(samples: Samples, *, pts: int) -> av.AudioFrame:
    """(samples,) int16 to a mono s16 frame; `pts` in samples."""
    frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE_HZ, pts, TIME_BASE
    return frame


def decode(source: object, *, max_s: float) -> Samples:
    """Any sound that FFmpeg reads, from a path or a binary file object, to (samples,) int16 at 48 kHz.

    Raises AudioError when it is no sound or longer than `max_s`.
    """
    limit, parts, count = int(max_s * SAMPLE_RATE_HZ), [], 0
    resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE_HZ)
    try:
        with av.open(source, mode="r") as container:
            if not container.streams.audio:
                raise AudioError("There is no sound in it.")
            for frame in container.decode(container.streams.audio[0]):
                frame.pts = None
                for out in resampler.resample(frame):
                    parts.append(out.to_ndarray()[0])
                    count += out.samples
                if count > limit:
                    raise AudioError(f"It is longer than {max_s:.0f} s.")
            parts += [out.to_ndarray()[0] for out in resampler.resample(None)]
    except (av.FFmpegError, ValueError, OSError) as error:
        raise AudioError(f"It cannot be read as sound: {error}") from error
    return np.concatenate(parts).astype(np.int16) if parts else np.zeros(0, np.int16)
