"""Echo in the agent: the reference and the switch."""

import numpy as np
import pytest

from agent.processing import SoundProcessing
from protocol.audio import FRAME_SAMPLES
from sound.echo import canceller
from tests.house.backend import HouseBackend
from tests.house.measure import echo_removed_db
from tests.house.room import Room, Samples, through_room
from tests.house.sounds import voice

pytestmark = pytest.mark.unit


def run(house: HouseBackend, processing: SoundProcessing, sound: Samples, *, every: int = 1) -> None:
    """A call that plays `sound`. `every`: how many frames the event loop writes, then reads, in one go."""
    speaker, microphone = house.speaker(processing), house.microphone(processing)
    microphone.open()
    processing.begin()
    frames = sound.reshape(-1, FRAME_SAMPLES)
    for at in range(0, len(frames), every):
        for frame in frames[at : at + every]:
            speaker.write(frame)
        for _ in frames[at : at + every]:
            microphone.read()


def removed_db(house: HouseBackend) -> float:
    return echo_removed_db(np.concatenate(house.taken), np.concatenate(house.sent))


def test_what_the_speaker_plays_does_not_go_back_to_the_caller() -> None:
    house, processing = HouseBackend(Room(delay_ms=80)), SoundProcessing()
    run(house, processing, voice(5.0))
    assert removed_db(house) >= 30
    measured = processing.echo_return_loss_enhancement
    assert measured is not None
    assert measured >= 30
    processing.end()
    assert processing.echo_return_loss_enhancement == measured


def test_an_event_loop_that_stumbles_does_not_bring_the_echo_back() -> None:
    house = HouseBackend(Room(delay_ms=120))
    run(house, SoundProcessing(), voice(5.0), every=3)
    assert removed_db(house) >= 30


def test_the_switch_counts_in_the_running_call() -> None:
    house, processing = HouseBackend(Room(delay_ms=80)), SoundProcessing()
    processing.switch(is_on=False)
    run(house, processing, voice(1.0))
    assert all((taken == sent).all() for taken, sent in zip(house.taken, house.sent, strict=True))
    processing.switch(is_on=True)
    frame = house.speaker(processing), house.microphone(processing)
    frame[0].write(voice(1.0)[:FRAME_SAMPLES])
    frame[1].read()
    assert (house.taken[-1] != house.sent[-1]).any()


@pytest.mark.parametrize("gained", [1, -1])
def test_a_frame_that_one_clock_gains_on_the_other_moves_nothing(gained: int) -> None:
    """From 3 s on the speaker is a frame farther, or has fallen behind by one."""
    sound, processing = voice(7.0), SoundProcessing()
    taken, sent, written = through_room(Room(delay_ms=120), sound), [], 0
    processing.hears_room = True
    processing.begin()
    frames = sound.reshape(-1, FRAME_SAMPLES)
    for number, frame in enumerate(taken.reshape(-1, FRAME_SAMPLES)):
        until = min(len(frames), number + 1 + (gained if number >= 150 else 0))
        for played in frames[written:until]:
            processing.played(played)
        written = max(written, until)
        sent.append(processing.process(frame))
    assert echo_removed_db(taken, np.concatenate(sent), from_s=2.0) >= 30


def test_a_speaker_that_closes_and_opens_again_keeps_its_delay() -> None:
    sound, processing = voice(8.0), SoundProcessing()
    sound[3 * 48_000 : 4 * 48_000] = 0
    taken, sent = through_room(Room(delay_ms=120), sound), []
    processing.hears_room = True
    processing.begin()
    for number, frame in enumerate(taken.reshape(-1, FRAME_SAMPLES)):
        if not 150 <= number < 200:
            processing.played(sound[number * FRAME_SAMPLES :][:FRAME_SAMPLES])
        sent.append(processing.process(frame))
    assert echo_removed_db(taken, np.concatenate(sent), from_s=2.0) >= 30


def test_a_machine_without_the_library_passes_the_sound_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canceller, "_rtc", lambda: None)
    house, processing = HouseBackend(Room()), SoundProcessing()
    run(house, processing, voice(0.2))
    assert all((taken == sent).all() for taken, sent in zip(house.taken, house.sent, strict=True))
    assert processing.echo_return_loss_enhancement is None
