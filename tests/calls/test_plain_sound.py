"""What looks for sound in clear finds it in every form, and nothing in what is sealed."""

import os

import numpy as np
import pytest

from sealing.files import SealedWriter, new_key
from tests.calls.plain_sound import PlainSound, words_of

pytestmark = pytest.mark.unit

SAID = os.urandom(3000)
TONE = np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000) / 2
SOUNDS = {
    "the beginning of an Ogg file": b"OggS\x00\x02" + bytes(20),
    "the head of Opus": b"OpusHead" + bytes(20),
    "an MP4 file": b"\x00\x00\x00\x1cftypM4A \x00",
    "a piece of what was said": SAID[1001:1400],
    "samples": (TONE * 32767).astype("<i2").tobytes(),
    "floats": TONE.astype("<f4").tobytes(),
}


@pytest.fixture(scope="module")
def finder() -> PlainSound:
    return PlainSound(words_of(SAID, every=13), [440])


@pytest.mark.parametrize("form", SOUNDS)
@pytest.mark.parametrize("before", [0, 1, 5001])
def test_it_is_found_in_clear_and_not_sealed(finder: PlainSound, form: str, before: int) -> None:
    hay = os.urandom(before)
    assert finder.look(hay + SOUNDS[form] + os.urandom(999))
    sealed = bytearray()
    writer = SealedWriter(sealed.extend, new_key())
    writer.put(SOUNDS[form])
    writer.close()
    assert not finder.look(hay + bytes(sealed) + os.urandom(999))


def test_nothing_is_found_in_nothing(finder: PlainSound) -> None:
    for nothing in (b"", b"\x00", bytes(50_000), os.urandom(50_000), b"some words of a page " * 999):
        assert finder.look(nothing) == set()
