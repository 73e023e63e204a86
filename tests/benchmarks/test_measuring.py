"""What the benchmarks measure with, tried on what is known."""

import time
from pathlib import Path

import numpy as np
import pytest

from agent.audio import decode
from agent.backends.files import FileSpeaker
from agent.playout import CHIME, RING
from benchmarks.household_day import words_wrong
from benchmarks.sounds import Samples, SpeakerClock, microphone_write, noise_find
from benchmarks.starts import first_start, second_start
from protocol.audio import SAMPLE_RATE_HZ
from tests.e2e.house import Device

pytestmark = pytest.mark.unit

FRAME_S = 0.02


def noise(duration_s: float) -> Samples:
    count = round(duration_s * SAMPLE_RATE_HZ)
    return np.random.default_rng(2).integers(-60, 61, count).astype(np.int16)


def silence(duration_s: float) -> Samples:
    return np.zeros(round(duration_s * SAMPLE_RATE_HZ), np.int16)


def test_a_device_s_own_sounds_are_not_the_other_end() -> None:
    assert noise_find(np.concatenate([silence(0.1), CHIME, RING, silence(0.1)])) is None


@pytest.mark.parametrize("begin_s", [0.0, 0.3, 1.5])
def test_the_noise_of_the_other_end_is_found_to_a_frame(begin_s: float) -> None:
    place = noise_find(np.concatenate([silence(begin_s), noise(0.5)]))
    assert place is not None
    assert place / SAMPLE_RATE_HZ == pytest.approx(begin_s, abs=FRAME_S)


def test_the_noise_is_found_under_the_chime() -> None:
    mixed = np.concatenate([CHIME, silence(0.5)])
    mixed[SAMPLE_RATE_HZ // 10 :] += noise(len(mixed) / SAMPLE_RATE_HZ)[SAMPLE_RATE_HZ // 10 :]
    place = noise_find(mixed)
    assert place is not None
    assert place / SAMPLE_RATE_HZ == pytest.approx(0.1, abs=FRAME_S)


def test_a_microphone_s_noise_runs_from_its_first_sample(tmp_path: Path) -> None:
    duration_s = microphone_write(tmp_path / "caller.wav", "Dinner is ready.", lead_s=1.0)
    samples = decode(str(tmp_path / "caller.wav"), max_s=60)
    assert len(samples) == round(duration_s * SAMPLE_RATE_HZ)
    assert noise_find(samples) == 0
    lead = samples[: round(0.9 * SAMPLE_RATE_HZ)]
    assert 0 < np.abs(lead).max() <= 60
    assert np.abs(samples).max() > 3000


def test_a_sound_in_the_speaker_file_is_dated(tmp_path: Path) -> None:
    device = Device(tmp_path, "")
    speaker = FileSpeaker(device.speaker)
    speaker.open()
    speaker.write(noise(1.0))  # of an earlier call
    clock = SpeakerClock(device)
    clock.look()
    assert clock.noise_at_s() is None
    speaker.write(silence(0.4))
    speaker.write(noise(0.6))
    now_s = time.time()
    clock.look()
    speaker.close()
    assert clock.noise_at_s() == pytest.approx(now_s - 0.6, abs=0.1)


@pytest.mark.parametrize(
    ("read", "wrong"),
    [
        ("the soup is ready", 0),
        ("the soup is reddy", 1),
        ("soup is ready", 1),
        ("the the soup is ready", 1),
        ("", 4),
        ("lunch", 4),
    ],
)
def test_wrong_words_are_counted(read: str, wrong: int) -> None:
    assert words_wrong(["the", "soup", "is", "ready"], read.split()) == wrong


def test_a_first_start_is_a_first_start(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="was used before"):
        first_start(tmp_path)
    with pytest.raises(ValueError, match="was not used before"):
        second_start(tmp_path / "new")
