import math

import numpy as np
import pytest
from numpy.typing import NDArray

from announcements.levels import CEILING_DB, TARGET_LUFS, levelled, limited, loudness_lufs

pytestmark = pytest.mark.unit
RATE_HZ = 48_000


def tone(frequency_hz: float, amplitude: float, duration_s: float = 3.0) -> NDArray[np.float32]:
    times = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    return (amplitude * np.sin(2 * np.pi * frequency_hz * times)).astype(np.float32)


def test_a_full_scale_tone_of_997_hz_is_minus_3_lufs() -> None:
    """The reference of ITU-R BS.1770-4."""
    assert loudness_lufs(tone(997, 1.0), RATE_HZ) == pytest.approx(-3.01, abs=0.05)


def test_silence_between_words_does_not_count() -> None:
    spoken = tone(997, 0.1)
    with_pause = np.concatenate([spoken, np.zeros(10 * RATE_HZ, np.float32), spoken])
    assert loudness_lufs(with_pause, RATE_HZ) == pytest.approx(loudness_lufs(spoken, RATE_HZ), abs=0.4)


@pytest.mark.parametrize("amplitude", [0.01, 0.1, 0.9])
def test_quiet_and_loud_sounds_get_the_same_level(amplitude: float) -> None:
    assert loudness_lufs(levelled(tone(300, amplitude), RATE_HZ), RATE_HZ) == pytest.approx(
        TARGET_LUFS, abs=0.3
    )


def test_no_sample_passes_the_ceiling() -> None:
    rng = np.random.default_rng(1)
    peaky = np.where(rng.random(RATE_HZ) < 0.001, 3.0, 0.05).astype(np.float32)
    result = limited(peaky, RATE_HZ)
    assert len(result) == len(peaky)
    assert np.abs(result).max() <= 10 ** (CEILING_DB / 20) + 1e-6
    assert np.abs(result).max() > 0.8


def test_silence_stays_silence() -> None:
    silence = np.zeros(RATE_HZ, np.float32)
    assert not levelled(silence, RATE_HZ).any()
    assert math.isinf(loudness_lufs(silence, RATE_HZ))
    assert math.isinf(loudness_lufs(silence[:0], RATE_HZ))
