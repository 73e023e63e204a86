"""A file of any length as pieces of speech: decoded as it goes, silence cut away, memory bounded."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
from numpy.typing import NDArray

from sound.recorded import sound_frames
from transcripts.engine import UnreadableAudio

RATE_HZ = 16_000
_WINDOW_S = 60
_TAIL_S = 1.0  # speech that ends this close to the end of a window may go on in the next one
_GAP_S = 0.1  # a jump of the time stamps larger than this is time in which nothing was recorded
_BLOCK = RATE_HZ

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Piece:
    """Mono float samples at 16 kHz, and where in the file they begin."""

    start_s: float
    samples: Samples

    @property
    def duration_s(self) -> float:
        return len(self.samples) / RATE_HZ


# samples of one window -> (start, end) of each stretch of speech in it, in samples
Detector = Callable[[Samples], list[tuple[int, int]]]


def decode(source: Path | BinaryIO) -> Iterator[Samples]:
    """The sound at 16 kHz mono, about a second at a time; gaps in its time line become silence.

    Raises UnreadableAudio.
    """
    try:
        with av.open(source, mode="r", metadata_errors="ignore") as container:
            if not container.streams.audio:
                raise UnreadableAudio("The recording holds no audio.")
            yield from _resampled(container)
    except (av.FFmpegError, OSError) as error:
        raise UnreadableAudio("The recording cannot be decoded.") from error


def _resampled(container: av.container.InputContainer) -> Iterator[Samples]:
    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE_HZ)
    next_s: float | None = None
    for frame in sound_frames(container):
        if frame.time is not None:
            if next_s is not None and frame.time - next_s > _GAP_S:
                yield from _silence(frame.time - next_s)
            next_s = frame.time + frame.samples / frame.sample_rate
        frame.pts = None  # the resampler would stretch over a jump
        yield from (_mono(part) for part in resampler.resample(frame))
    yield from (_mono(part) for part in resampler.resample(None))


def _mono(frame: av.AudioFrame) -> Samples:
    return frame.to_ndarray().reshape(-1).astype(np.float32, copy=False)


def _silence(duration_s: float) -> Iterator[Samples]:
    left = round(duration_s * RATE_HZ)
    while left > 0:
        yield np.zeros(min(left, _BLOCK), np.float32)
        left -= _BLOCK


def speech(blocks: Iterator[Samples], detect: Detector) -> Iterator[Piece]:
    """Cut the stretches of speech out of `blocks`. Holds one window of a minute, never the file."""
    window: Samples = np.zeros(0, np.float32)
    start = 0  # of the window, in samples of the file
    pending: list[Samples] = []
    for block in blocks:
        pending.append(block)
        if len(window) + sum(map(len, pending)) < _WINDOW_S * RATE_HZ:
            continue
        window = np.concatenate([window, *pending])
        pending = []
        spans = detect(window)
        keep_from = _unfinished(spans, len(window))
        yield from _pieces(window, start, [span for span in spans if span[1] <= keep_from])
        start += keep_from
        window = window[keep_from:].copy()
    window = np.concatenate([window, *pending])
    yield from _pieces(window, start, detect(window) if len(window) else [])


def _unfinished(spans: list[tuple[int, int]], length: int) -> int:
    """From which sample on the window is looked at again together with what follows."""
    edge = length - round(_TAIL_S * RATE_HZ)
    if not spans or spans[-1][1] <= edge:
        return max(edge, spans[-1][1] if spans else 0)
    if spans[-1][0] > 0:
        return spans[-1][0]
    return spans[-1][1]  # one stretch fills the whole window: cut it here


def _pieces(window: Samples, start: int, spans: list[tuple[int, int]]) -> Iterator[Piece]:
    for first, last in spans:
        yield Piece((start + first) / RATE_HZ, window[first:last])
