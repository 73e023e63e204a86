"""Echo cancellation in the worker, with the guard that never lets it do harm."""

import numpy as np
import pytest

from media.sound.echo import LegEchoCanceller
from protocol.audio import FRAME_SAMPLES
from sound.echo import canceller as library
from tests.house.measure import echo_removed_db, speech_kept_db
from tests.house.room import Room, Samples, through_room
from tests.house.sounds import voice

pytestmark = pytest.mark.unit

FAR = voice(6.0, seed=2)


def run(leg: LegEchoCanceller, far: Samples, taken: Samples) -> Samples:
    out = []
    for at in range(0, len(far), FRAME_SAMPLES):
        leg.far_end(far[at : at + FRAME_SAMPLES])
        out.append(leg.process(taken[at : at + FRAME_SAMPLES]))
    return np.concatenate(out)


def test_the_echo_of_a_round_trip_is_taken_out() -> None:
    leg, taken = LegEchoCanceller(), through_room(Room(delay_ms=250), FAR)
    sent = run(leg, FAR, taken)
    assert leg.is_active
    assert leg.delay_ms == pytest.approx(250, abs=3)
    assert echo_removed_db(taken, sent) >= 30


@pytest.mark.parametrize("room", [Room(delay_ms=600), Room(echo_gain_db=-120)])
def test_a_loop_that_is_too_long_or_has_no_echo_is_left_as_it_is(room: Room) -> None:
    leg, taken = LegEchoCanceller(), through_room(room, FAR, voice(6.0, seed=9, pitch_hz=210.0))
    assert (run(leg, FAR, taken) == taken).all()
    assert not leg.is_active


def test_it_gives_up_when_the_delay_jumps_out_of_reach() -> None:
    leg, near_by = LegEchoCanceller(), through_room(Room(delay_ms=200), FAR)
    assert (run(leg, FAR, near_by) != near_by).any()
    taken = through_room(Room(delay_ms=700), FAR)
    sent = run(leg, FAR, taken)
    assert not leg.is_active
    assert (sent[-96_000:] == taken[-96_000:]).all()


def test_who_speaks_at_the_device_stays_to_be_heard() -> None:
    near = np.concatenate([np.zeros(2 * 48_000, np.int16), voice(4.0, seed=9, pitch_hz=210.0)])
    sent = run(LegEchoCanceller(), FAR, through_room(Room(delay_ms=250), FAR, near))
    assert speech_kept_db(near, sent) > -6


def test_a_machine_without_the_library_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "_rtc", lambda: None)
    with pytest.raises(RuntimeError, match="no echo canceller"):
        LegEchoCanceller()
