"""Finds sound that lies in clear: by the signs of its formats, by bytes of it that are known, and as samples."""

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

# Six bytes and more: four stand in a hundred megabytes of anything now and then.
_SIGNS: Final = (
    *(b"OggS\x00" + bytes([kind]) for kind in (0, 1, 2, 4, 5)),
    b"OpusHead", b"OpusTags", b"ftypM4A", b"ftypisom", b"ftypmp4", b"lmvhd\x00", b"WAVEfmt", b"matroska",
    b"fLaC\x00\x00",
)  # fmt: skip
_WORD: Final = 8
_PIECE: Final = 1 << 24
_BLOCK: Final = 4096  # samples
_TONAL: Final = 0.9  # of the power of a block, in one tone; a catalogue of PostgreSQL has 0.6
_RATES: Final = (48_000, 96_000, 16_000, 32_000, 24_000, 8_000)  # and of two channels, one after the other
_QUIET: Final = 1e-3  # of full scale
_FEWEST_BYTES: Final = 5  # different ones in a word; what has less stands everywhere

Words = NDArray[np.uint64]


def words_of(data: bytes, *, every: int) -> set[int]:
    """Some of the words in these bytes, each of which nobody else would write."""
    parts = (data[at : at + _WORD] for at in range(0, len(data) - _WORD + 1, every))
    return {int.from_bytes(part, "little") for part in parts if len(set(part)) >= _FEWEST_BYTES}


class PlainSound:
    """`words`: from `words_of` what was said; `tones_hz`: what is heard in it, where it is samples."""

    def __init__(self, words: Iterable[int], tones_hz: Iterable[float]) -> None:
        self._words: Words = np.array(sorted(set(words)), np.uint64)
        self._tones_hz = tuple(tones_hz)

    def look(self, data: bytes) -> set[str]:
        """In which forms sound was found."""
        found: set[str] = set()
        overlap = _BLOCK * 8
        for at in range(0, max(1, len(data)), _PIECE):
            piece = data[at : at + _PIECE + overlap]
            found |= {f"{sign!r}" for sign in _SIGNS if sign in piece}
            if self._knows(piece):
                found.add("bytes that were said")
            found |= {name for name, is_one in self._samples(piece).items() if is_one}
        return found

    def _knows(self, data: bytes) -> bool:
        if not self._words.size:
            return False
        for words in (_view(data, "<u8", shift) for shift in range(_WORD)):
            near = np.searchsorted(self._words, words).clip(max=len(self._words) - 1)
            if np.any(self._words[near] == words):
                return True
        return False

    def _samples(self, data: bytes) -> dict[str, bool]:
        shorts = (np.float32(2**-15) * _view(data, "<i2", shift).astype(np.float32) for shift in range(2))
        floats = (_tame(_view(data, "<f4", shift)) for shift in range(4))
        return {
            "samples of 16 bits": any(map(self._is_tonal, shorts)),
            "samples as floats": any(map(self._is_tonal, floats)),
        }

    def _is_tonal(self, samples: NDArray[np.float32]) -> bool:
        blocks = samples[: len(samples) // _BLOCK * _BLOCK].reshape(-1, _BLOCK)
        blocks = blocks[np.abs(blocks).max(axis=1, initial=0) > _QUIET]
        for part in np.array_split(blocks, max(1, len(blocks) // 512)):
            power = np.abs(np.fft.rfft(part * np.hanning(_BLOCK), axis=1)) ** 2
            power[:, :2] = 0
            total = power.sum(axis=1) + 1e-12
            for hz, rate in ((hz, rate) for hz in self._tones_hz for rate in _RATES):
                at = round(hz / rate * _BLOCK)
                if np.any(power[:, max(0, at - 3) : at + 4].sum(axis=1) / total > _TONAL):
                    return True
        return False


def _view(data: bytes, kind: str, shift: int) -> NDArray[Any]:
    """These bytes as numbers, from the byte `shift` on."""
    count = (len(data) - shift) // np.dtype(kind).itemsize
    return np.frombuffer(data, kind, count, shift) if count > 0 else np.empty(0, kind)


def _tame(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """What is no sample of sound is none."""
    with np.errstate(all="ignore"):
        wild = ~(np.abs(samples) <= 4)
    return np.where(wild, np.float32(0), samples)
