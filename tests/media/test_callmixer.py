"""The mixer of a call, with its clock turned by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.audio import FRAME_SAMPLES
from sound.opus import MAX_BITRATE_BPS, MIN_BITRATE_BPS, Samples
from sound.stream import OutgoingStream, SendRate
from tests.fakes.mixing import Room, tone
from tests.fakes.peer import level_db

pytestmark = pytest.mark.unit

MS = 48


def test_six_hear_each_other_and_nobody_himself() -> None:
    pitches = (300, 500, 800, 1200, 1700, 2300)
    room = Room(*map(tone, pitches))
    room.pass_s(2.0)
    for person, own_hz in zip(room.people, pitches, strict=True):
        heard = person.heard(skip_s=1.0)
        assert level_db(heard, own_hz) < -40
        assert all(level_db(heard, hz) > -25 for hz in pitches if hz != own_hz)


@pytest.mark.parametrize("hz", [220.0, 440.0, 1234.0])
def test_to_the_mix_and_back_the_voice_has_no_gap_and_nothing_is_said_twice(hz: float) -> None:
    room = Room(tone(hz), tone(700))
    anna, ben = room.people
    room.pass_s(1.0)
    assert ben.forwarded == 50
    ben.track.start_tone(frequency_hz=5000)
    room.pass_s(0.5)
    assert room.mixing() == [False, True]
    ben.track.stop_tone()
    room.pass_s(2.5)
    assert room.mixing() == [False, False]
    assert anna.forwarded == 200
    heard = ben.heard(skip_s=0.5)
    spectrum = np.fft.rfft(heard)
    spectrum[np.fft.rfftfreq(heard.size, 1 / 48_000) > 3000] = 0
    voice = np.abs(np.fft.irfft(spectrum, heard.size))[: heard.size // (5 * MS) * 5 * MS]
    is_soft = voice.reshape(-1, 5 * MS).max(axis=1)[2:-2] < 4500
    assert is_soft.sum() * 5 <= 40  # ms, over both changes: the decoder gets used to another encoder
    # Every packet was heard once: what is left out or said twice at the changes is under 40 ms.
    assert abs(heard.size - 3.5 * 48_000) <= 40 * MS


def test_of_three_the_two_that_stay_are_forwarded_again() -> None:
    room = Room(tone(400), tone(700), tone(1100))
    room.pass_s(1.0)
    assert all(person.track.mixing for person in room.people)
    left = room.people.pop()
    room.mixer.remove(left.leg_id)
    room.pass_s(1.5)
    assert not any(person.track.mixing for person in room.people)
    room.forget()
    room.pass_s(0.5)
    assert [person.forwarded for person in room.people] == [25, 25]


def test_those_who_hear_the_same_get_the_same_packets() -> None:
    room = Room(tone(400), tone(700), *[None] * 4)
    room.pass_s(1.0)
    payloads = [person.payloads[5:] for person in room.people]
    assert payloads[2] == payloads[3] == payloads[4] == payloads[5]
    assert payloads[0] != payloads[1]
    heard = room.people[5].heard(skip_s=0.5)
    assert level_db(heard, 400) > -20
    assert level_db(heard, 700) > -20


def test_one_voice_for_many_listeners_is_forwarded() -> None:
    room = Room(tone(400), *[None] * 5)
    room.pass_s(0.5)
    assert [person.forwarded for person in room.people] == [0, 25, 25, 25, 25, 25]
    assert not any(person.track.mixing for person in room.people)


def test_a_gain_changes_how_others_hear_a_voice_and_none_lets_it_be_forwarded() -> None:
    room = Room(tone(400), tone(700))
    anna, ben = room.people
    room.pass_s(1.0)
    before = level_db(ben.heard(skip_s=0.5), 400)
    room.mixer.set_gain(anna.leg_id, -20)
    room.pass_s(0.5)
    room.forget()
    room.pass_s(1.0)
    assert level_db(ben.heard(), 400) == pytest.approx(before - 20, abs=1)
    assert level_db(anna.heard(), 700) == pytest.approx(before, abs=1)
    room.mixer.set_gain(anna.leg_id, 0)
    room.pass_s(1.0)
    room.forget()
    room.pass_s(1.0)
    assert ben.forwarded == 50
    assert level_db(ben.heard(), 400) == pytest.approx(before, abs=1)


def test_a_voice_that_is_too_loud_is_clipped_softly() -> None:
    room = Room(tone(400), tone(700))
    anna, ben = room.people
    room.mixer.set_gain(anna.leg_id, 20)
    room.pass_s(1.0)
    assert np.abs(ben.heard(skip_s=0.3).astype(int)).max() > 30_000


class Doubler:
    """Says twice as loud what came from a leg, and remembers what that leg was sent."""

    def __init__(self) -> None:
        self.sent: list[Samples] = []

    def far_end(self, samples: Samples) -> None:
        self.sent.append(samples)

    def process(self, samples: Samples) -> Samples:
        return samples * np.int16(2)


def test_a_processor_gets_both_directions_of_a_leg_and_changes_what_the_others_hear() -> None:
    room, doubler = Room(tone(400), tone(700)), Doubler()
    anna, ben = room.people
    room.pass_s(1.0)
    before = level_db(ben.heard(skip_s=0.5), 400)
    room.mixer.set_processor(anna.leg_id, doubler)
    room.pass_s(0.5)
    room.forget()
    room.pass_s(1.0)
    assert level_db(ben.heard(), 400) == pytest.approx(before + 6, abs=1)
    assert level_db(np.concatenate(doubler.sent[-50:]), 700) > -20
    room.mixer.set_processor(anna.leg_id, None)
    room.pass_s(1.5)
    assert not anna.track.mixing
    assert not ben.track.mixing


@given(st.lists(st.floats(0, 1), max_size=200))
def test_the_rate_stays_within_its_bounds_and_follows_the_loss(reports: list[float]) -> None:
    rate = SendRate()
    for fraction_lost in reports:
        before = rate.bitrate_bps
        rate.report(fraction_lost)
        assert MIN_BITRATE_BPS <= rate.bitrate_bps <= MAX_BITRATE_BPS
        assert rate.loss >= fraction_lost or rate.loss == 0.0
        if fraction_lost > 0.1:
            assert rate.bitrate_bps <= before


def test_after_a_minute_without_loss_the_rate_is_at_its_top_and_loss_brings_it_down() -> None:
    rate = SendRate()
    for _ in range(60):
        rate.report(0.0)
    assert (rate.bitrate_bps, rate.loss) == (MAX_BITRATE_BPS, 0.0)
    for _ in range(20):
        rate.report(0.15)
    assert rate.bitrate_bps == 24_000, "enough for the copies that make up for it"
    for _ in range(20):
        rate.report(0.4)
    assert rate.bitrate_bps == MIN_BITRATE_BPS
    assert rate.loss == 0.4


def test_a_listener_who_reports_loss_gets_smaller_packets() -> None:
    room = Room(tone(400), tone(700), tone(1100))
    for person in room.people:
        person.fraction_lost = 0.4
    room.pass_s(1.0)
    sizes = [sum(map(len, room.people[0].payloads[-25:]))]
    room.pass_s(5.0)
    sizes.append(sum(map(len, room.people[0].payloads[-25:])))
    assert sizes[1] < 0.7 * sizes[0]


def test_of_a_pause_little_is_sent_and_the_time_goes_on() -> None:
    stream, silence = OutgoingStream(), np.zeros(FRAME_SAMPLES, np.int16)
    sent = [encoded for _ in range(250) if (encoded := stream.encode(silence)) is not None]
    assert len(sent) < 50
    assert max(samples for _, samples in sent) <= 21 * FRAME_SAMPLES
    assert 230 * FRAME_SAMPLES <= sum(samples for _, samples in sent) <= 250 * FRAME_SAMPLES


def test_a_voice_that_stops_and_a_leg_that_leaves_do_not_stop_the_others() -> None:
    room = Room(tone(400), tone(700), tone(1100))
    room.pass_s(1.0)
    silent = room.people[1]
    silent.said = None
    room.pass_s(2.0)
    room.forget()
    room.pass_s(1.0)
    heard = room.people[0].heard()
    assert level_db(heard, 1100) > -20
    assert level_db(heard, 700) < -50
