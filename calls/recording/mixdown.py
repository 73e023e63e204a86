"""Several mono Ogg Opus files into one stereo file that every browser plays and seeks: AAC in MP4, index in front."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
from numpy.typing import NDArray

from sealing.files import SealError
from sound.recorded import sound_frames

SAMPLE_RATE_HZ = 48_000
BLOCK = SAMPLE_RATE_HZ  # samples mixed at a time: memory does not grow with the call
CUT_SAMPLES = 2 * SAMPLE_RATE_HZ
PEAK_COUNT = 600
BIT_RATE = 96_000
Samples = NDArray[np.float32]
Opener = Callable[[], BinaryIO]


@dataclass(frozen=True)
class Track:
    opener: Opener
    offset_s: float  # when it begins, from the beginning of the copy
    is_caller: bool
    most_s: float | None = None  # what of it counts; None is all


@dataclass(frozen=True)
class Mixdown:
    duration_s: float
    peaks: dict[str, list[float]]


def mixdown(tracks: list[Track], target: Path, *, length_s: float = 0.0) -> Mixdown:
    """Caller left, everybody else right, with silence up to `length_s`. What lasts a little longer is cut there,
    but never much: a clock that was set must not cost anybody's words.

    Raises av.FFmpegError, and what the openers raise.
    """
    sources = [(track, _blocks(track)) for track in tracks]
    peaks: list[tuple[float, float]] = []
    sample_count = _encode(target, _fitted(_mixed(sources), round(length_s * SAMPLE_RATE_HZ)), peaks)
    return Mixdown(sample_count / SAMPLE_RATE_HZ, _peaks_reduce(peaks))


def sound_duration_s(opener: Opener) -> float:
    """Of a sound file, also of one that was cut off; 0 when nothing in it can be decoded."""
    samples = 0
    try:
        with opener() as source, av.open(source, mode="r") as container:
            for frame in sound_frames(container):
                samples += frame.samples * SAMPLE_RATE_HZ // frame.sample_rate
    except (av.FFmpegError, SealError, FileNotFoundError, IndexError):
        return samples / SAMPLE_RATE_HZ
    return samples / SAMPLE_RATE_HZ


def _mixed(sources: list[tuple[Track, Iterator[Samples]]]) -> Iterator[Samples]:
    """Stereo blocks, shape (2, BLOCK), until every source has run out."""
    live = list(sources)
    while live:
        block = np.zeros((2, BLOCK), np.float32)
        length = 0
        for source in list(live):
            part = next(source[1], None)
            if part is None:
                live.remove(source)
                continue
            block[0 if source[0].is_caller else 1, : len(part)] += part
            length = max(length, len(part))
        if length:
            yield np.clip(block[:, :length], -1.0, 1.0)


def _fitted(blocks: Iterator[Samples], length: int) -> Iterator[Samples]:
    """`length` samples of stereo: filled up with silence, or cut where at most CUT_SAMPLES are beyond it."""
    held: list[Samples] = []
    count = 0
    for block in blocks:
        count += block.shape[1]
        if count <= length:
            yield block
        elif count - length <= CUT_SAMPLES:
            held.append(block)
        else:
            yield from held
            held = []
            yield block
    over = max(0, count - length) if held else 0
    if held:
        yield np.concatenate(held, axis=1)[:, :-over]
    while count < length:
        block = np.zeros((2, min(BLOCK, length - count)), np.float32)
        count += block.shape[1]
        yield block


def _blocks(track: Track) -> Iterator[Samples]:
    """Mono blocks of BLOCK samples (the last one shorter), with silence before the offset."""
    rest: Samples = np.zeros(0, np.float32)
    for piece in chain(_silence(round(track.offset_s * SAMPLE_RATE_HZ)), _decoded(track)):
        rest = np.concatenate([rest, piece])
        while len(rest) >= BLOCK:
            yield rest[:BLOCK]
            rest = rest[BLOCK:]
    if len(rest):
        yield rest


def _silence(length: int) -> Iterator[Samples]:
    for start in range(0, length, BLOCK):
        yield np.zeros(min(BLOCK, length - start), np.float32)


def _decoded(track: Track) -> Iterator[Samples]:
    left = sys.maxsize if track.most_s is None else round(track.most_s * SAMPLE_RATE_HZ)
    resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE_HZ)
    with track.opener() as source, av.open(source, mode="r") as container:
        for frame in sound_frames(container):
            for out in resampler.resample(frame):
                if left <= 0:
                    return
                piece = np.asarray(out.to_ndarray().reshape(-1)[:left], np.float32)
                left -= len(piece)
                yield piece


def _encode(path: Path, blocks: Iterator[Samples], peaks: list[tuple[float, float]]) -> int:
    """Returns the number of samples. Fills `peaks` with one pair per 20 ms."""
    count = 0
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("aac", rate=SAMPLE_RATE_HZ, layout="stereo")
        stream.bit_rate = BIT_RATE
        for block in blocks:
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="fltp", layout="stereo")
            frame.sample_rate, frame.pts = SAMPLE_RATE_HZ, count
            count += block.shape[1]
            peaks.extend(_peaks_of(block))
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return count


def _peaks_of(block: Samples) -> list[tuple[float, float]]:
    step = SAMPLE_RATE_HZ // 50
    whole = np.pad(np.abs(block), ((0, 0), (0, -block.shape[1] % step)))
    tops = whole.reshape(2, -1, step).max(axis=2)
    return [(float(left), float(right)) for left, right in tops.T]


def _peaks_reduce(peaks: list[tuple[float, float]]) -> dict[str, list[float]]:
    """At most PEAK_COUNT pairs, each the largest of its span."""
    if not peaks:
        return {"caller": [], "others": []}
    table = np.array(peaks)
    edges = np.linspace(0, len(table), min(PEAK_COUNT, len(table)) + 1).astype(int)
    tops = np.array([table[a:b].max(axis=0) for a, b in pairwise(edges)])
    return {"caller": np.round(tops[:, 0], 3).tolist(), "others": np.round(tops[:, 1], 3).tolist()}
