import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sound.opus import Samples
from sound.stretch import FADE_SAMPLES, MAX_LAG, MIN_LAG, lengthen, shorten

pytestmark = pytest.mark.unit

SIZE = FADE_SAMPLES + MAX_LAG + 400


def tone(hz: float) -> Samples:
    return (12_000 * np.sin(2 * np.pi * hz * np.arange(SIZE) / 48_000)).astype(np.int16)


@given(st.floats(110, 2000))
def test_a_tone_gets_shorter_or_longer_without_a_click(hz: float) -> None:
    before = tone(hz)
    steepest = 12_000 * 2 * np.pi * hz / 48_000
    for after, sign in ((shorten(before), -1), (lengthen(before), 1)):
        change = (after.size - before.size) * sign
        assert MIN_LAG <= change <= MAX_LAG
        assert np.abs(np.diff(after.astype(int))).max() <= 1.25 * steepest + 2
        assert (after[-300:] == before[-300:]).all()


def test_what_is_nowhere_alike_stays_as_it_is_unless_forced() -> None:
    noise = np.random.default_rng(1).integers(-9000, 9000, SIZE).astype(np.int16)
    assert shorten(noise) is noise
    assert lengthen(noise) is noise
    assert shorten(noise, force=True).size < SIZE
    assert lengthen(noise, force=True).size > SIZE


def test_silence_gives_way_most() -> None:
    silence = np.zeros(SIZE, np.int16)
    assert shorten(silence).size == SIZE - MAX_LAG
    assert lengthen(silence).size == SIZE + MAX_LAG


def test_too_little_sound_stays_as_it_is() -> None:
    little = tone(440)[: FADE_SAMPLES + MAX_LAG - 1]
    assert shorten(little) is little
