"""Echo, out of a microphone in a virtual room. All of it runs faster than the time that it stands for."""

from collections.abc import Callable

import numpy as np
import pytest

from agent.playout import RING
from protocol.audio import FRAME_SAMPLES
from sound.echo.canceller import EchoCanceller
from sound.echo.delay import Decimator, DelayFinder
from sound.echo.meter import EchoMeter
from sound.echo.resampling import HALF_TAPS, moving_delay
from tests.house.measure import echo_removed_db, level_db, speech_kept_db
from tests.house.room import Room, Samples, through_room
from tests.house.sounds import voice

pytestmark = pytest.mark.unit

FAR = voice(6.0, seed=2)


def by_frames(process: Callable[[Samples, Samples], Samples], played: Samples, taken: Samples) -> Samples:
    begins = range(0, len(played), FRAME_SAMPLES)
    return np.concatenate(
        [process(played[at : at + FRAME_SAMPLES], taken[at : at + FRAME_SAMPLES]) for at in begins]
    )


def find(played: Samples, taken: Samples) -> float | None:
    finder, decimators = DelayFinder(), (Decimator(), Decimator())
    for at in range(0, len(played), FRAME_SAMPLES):
        frames = played[at : at + FRAME_SAMPLES], taken[at : at + FRAME_SAMPLES]
        finder.push(*(decimator.push(frame) for decimator, frame in zip(decimators, frames, strict=True)))
    return finder.delay_ms


@pytest.mark.parametrize(("delay_ms", "settled_s"), [(40, 2.0), (450, 2.0), (800, 3.0)])
def test_the_echo_is_gone_soon_however_late_it_comes(delay_ms: float, settled_s: float) -> None:
    taken = through_room(Room(delay_ms=delay_ms), FAR)
    canceller = EchoCanceller()
    sent = by_frames(canceller.process, FAR, taken)
    assert echo_removed_db(taken, sent, from_s=settled_s) >= 30
    assert canceller.delay_ms == pytest.approx(delay_ms, abs=3)


def test_who_speaks_in_the_room_stays_to_be_heard_while_the_far_end_speaks() -> None:
    near = np.concatenate([np.zeros(2 * 48_000, np.int16), voice(4.0, seed=9, pitch_hz=210.0)])
    taken = through_room(Room(delay_ms=60), FAR, near)
    sent = by_frames(EchoCanceller().process, FAR, taken)
    assert speech_kept_db(near, sent) > -6


def test_who_speaks_in_the_room_is_heard_as_before_while_the_far_end_is_silent() -> None:
    near = voice(6.0, seed=9, pitch_hz=210.0)
    silence = np.zeros_like(near)
    sent = by_frames(EchoCanceller().process, silence, through_room(Room(), silence, near))
    assert speech_kept_db(near, sent) > -3


def test_nothing_is_measured_where_nothing_comes_back() -> None:
    taken = through_room(Room(echo_gain_db=-120), FAR, voice(6.0, seed=9, pitch_hz=210.0))
    canceller = EchoCanceller()
    by_frames(canceller.process, FAR, taken)
    assert canceller.meter.echo_return_loss_enhancement is None


def test_the_hum_of_the_room_gets_softer() -> None:
    silence = np.zeros_like(FAR)
    taken = through_room(Room(noise_dbfs=-50), silence)
    sent = by_frames(EchoCanceller().process, silence, taken)
    assert level_db(sent[-48_000:]) < level_db(taken[-48_000:]) - 8


@pytest.mark.parametrize("drift_ppm", [100, -100])
def test_the_delay_is_found_while_the_clocks_drift(drift_ppm: float) -> None:
    found = find(FAR, through_room(Room(delay_ms=300, drift_ppm=drift_ppm), FAR))
    assert found == pytest.approx(300, abs=3)


def test_no_delay_is_read_out_of_a_ring_or_of_another_voice() -> None:
    ring = RING[: 3 * 48_000]
    assert find(ring, through_room(Room(delay_ms=100), ring)) is None
    alone = through_room(Room(echo_gain_db=-120), FAR, voice(6.0, seed=9, pitch_hz=210.0))
    assert find(FAR, alone) is None


def test_the_measure_is_that_of_the_echo_and_leaves_out_who_speaks_in_the_room() -> None:
    random = np.random.default_rng(1)
    meter = EchoMeter()
    for frame in range(500):
        is_pause, is_double_talk = frame % 50 >= 40, 250 <= frame < 300
        played = np.asarray(random.normal(0, 0 if is_pause else 3000, FRAME_SAMPLES), np.int16)
        taken = played // 2 + np.asarray(
            random.normal(0, 8000 if is_double_talk else 3, FRAME_SAMPLES), np.int16
        )
        left = taken if is_double_talk or is_pause else taken // 10
        meter.push(played, taken, left)
    assert meter.echo_return_loss_enhancement == pytest.approx(20, abs=1)


@pytest.mark.parametrize("drift_ppm", [100, -100])
def test_the_drift_of_the_clocks_is_found_and_made_up_for(drift_ppm: float) -> None:
    far = voice(8.0, seed=2)
    taken, canceller = through_room(Room(delay_ms=100, seed=2, drift_ppm=drift_ppm), far), EchoCanceller()
    sent = by_frames(canceller.process, far, taken)
    assert canceller.drift_ppm == pytest.approx(drift_ppm, abs=15)
    assert echo_removed_db(taken, sent, from_s=5.0) >= 50


def test_who_speaks_in_the_room_makes_no_drift() -> None:
    far, near = voice(8.0, seed=2), voice(8.0, seed=9, pitch_hz=210.0)
    canceller = EchoCanceller()
    by_frames(canceller.process, far, through_room(Room(delay_ms=100, seed=2), far, near))
    assert abs(canceller.drift_ppm) < 15


def test_a_delay_between_two_samples_is_a_delay() -> None:
    at_s = np.arange(48_000) / 48_000
    line = np.asarray(8000 * np.sin(2 * np.pi * 1000 * at_s), np.int16)
    late = moving_delay(line, FRAME_SAMPLES, begin=100.25, end=100.5)
    wanted = 8000 * np.sin(
        2 * np.pi * 1000 * (at_s[-FRAME_SAMPLES:] - np.linspace(100.25, 100.5, 960) / 48_000)
    )
    assert np.max(np.abs(late - wanted)) < 3
    assert (
        moving_delay(line, 960, begin=HALF_TAPS, end=HALF_TAPS) == line[-960 - HALF_TAPS : -HALF_TAPS]
    ).all()
