"""Sound for the tests of speech: clips of the demo voice, Opus files as recordings are, words compared as words."""

import re
import wave
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

RATE_HZ = 48_000
Samples = NDArray[np.int16]


def words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


def word_errors(said: str, heard: str) -> int:
    """The fewest words to insert, delete or replace: Levenshtein."""
    row = list(range(len(words(heard)) + 1))
    for word in words(said):
        following = [row[0] + 1]
        for (diagonal, above), other in zip(pairwise(row), words(heard), strict=True):
            following.append(min(following[-1] + 1, above + 1, diagonal + (word != other)))
        row = following
    return row[-1]


def read_wav(path: Path) -> Samples:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE_HZ)
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


def silence(duration_s: float) -> Samples:
    return np.zeros(round(duration_s * RATE_HZ), np.int16)


def write_opus(path: Path, samples: Samples, bit_rate: int = 24_000) -> Path:
    """Ogg Opus, 48 kHz mono."""
    with av.open(str(path), "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=RATE_HZ, layout="mono")
        stream.bit_rate = bit_rate
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts = RATE_HZ, 0
        container.mux([*stream.encode(frame), *stream.encode(None)])
    return path
