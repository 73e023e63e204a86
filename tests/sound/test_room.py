"""The virtual room does to sound what its numbers say."""

import numpy as np
import pytest

from tests.house.measure import level_db, speech_kept_db
from tests.house.room import Room, through_room
from tests.house.sounds import voice

pytestmark = pytest.mark.unit

CLICK = np.zeros(48_000, np.int16)
CLICK[0] = 20_000


def test_the_first_echo_comes_after_the_delay_and_has_its_level() -> None:
    heard = through_room(Room(delay_ms=100, echo_gain_db=-6, reverberation_s=0.0, noise_dbfs=-120), CLICK)
    assert np.argmax(np.abs(heard)) == 4800
    assert heard[4800] == pytest.approx(10_024, abs=2)


def test_the_echo_falls_by_sixty_decibels_in_the_time_of_reverberation() -> None:
    played = np.asarray(np.random.default_rng(3).normal(0, 3000, 96_000), np.int16)
    played[48_000:] = 0
    heard = through_room(Room(delay_ms=0, reverberation_s=0.4, noise_dbfs=-120), played)
    fallen = level_db(heard[48_000:49_000]) - level_db(heard[48_000 + 9600 : 49_000 + 9600])
    assert fallen == pytest.approx(30, abs=3)


@pytest.mark.parametrize("drift_ppm", [100, -100])
def test_a_microphone_with_a_fast_clock_takes_more_samples_of_the_same_sound(drift_ppm: float) -> None:
    played = voice(3.0)
    still = through_room(Room(delay_ms=50, reverberation_s=0.0, noise_dbfs=-120), played)
    drifting = through_room(
        Room(delay_ms=50, reverberation_s=0.0, noise_dbfs=-120, drift_ppm=drift_ppm), played
    )
    begin, moved = 2 * 48_000, round(2.2 * 48_000 * drift_ppm * 1e-6)
    kept = speech_kept_db(still[begin : begin + 19_200], drifting[begin + moved :][:19_200], from_s=0)
    assert kept == pytest.approx(0, abs=1)


def test_who_speaks_in_the_room_is_heard_at_once() -> None:
    near = voice(1.0)
    heard = through_room(Room(noise_dbfs=-120), np.zeros_like(near), near)
    assert np.max(np.abs(heard.astype(int) - near)) <= 1
