"""The mixer of a call, with its clock turned by hand."""

from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.packets import MicPacket
from media.sound.callmixer import FRAME_S, CallMixer
from media.sound.stream import OutgoingStream, SendRate
from media.sound.tracks import OutgoingTrack
from media.supervise import Supervisor
from protocol.audio import FRAME_SAMPLES
from sound.opus import MAX_BITRATE_BPS, MIN_BITRATE_BPS, OpusDecoder, OpusEncoder, Samples
from tests.fakes.peer import level_db

pytestmark = pytest.mark.unit

MS = 48


@dataclass
class Person:
    """Says a tone and decodes, in their order, the packets that come back."""

    hz: float
    mixer: CallMixer
    is_listener: bool = False
    leg_id: UUID = field(default_factory=uuid4)
    fraction_lost: float | None = None
    payloads: list[bytes] = field(default_factory=list)
    parts: list[Samples] = field(default_factory=list)
    forwarded: int = 0
    number: int = 0

    def __post_init__(self) -> None:
        self._encoder, self._decoder = OpusEncoder(), OpusDecoder()
        self.track = OutgoingTrack(self, wake=lambda: None)
        self.mixer.add(self.leg_id, self.track)

    def forward(self, packet: MicPacket) -> None:
        self.forwarded += 1
        self._take(packet.payload)

    def send(self, payload: bytes, *, now_s: float, samples: int) -> None:
        self._take(payload)

    def _take(self, payload: bytes) -> None:
        self.payloads.append(payload)
        self.parts.append(self._decoder.decode(payload))

    def say(self, now_s: float) -> None:
        at = np.arange(self.number * FRAME_SAMPLES, (self.number + 1) * FRAME_SAMPLES) / 48_000
        payload = self._encoder.encode((9000 * np.sin(2 * np.pi * self.hz * at)).astype(np.int16))
        packet = MicPacket(
            source=(hash(self.leg_id), 1),
            sequence_number=self.number & 0xFFFF,
            timestamp=self.number * FRAME_SAMPLES,
            arrival_s=now_s,
            payload=payload,
        )
        self.number += 1
        self.mixer.route(self.leg_id, packet)

    def heard(self, *, skip_s: float = 0.0) -> Samples:
        return np.concatenate(self.parts)[round(skip_s * 48_000) :]

    def forget(self) -> None:
        self.parts, self.payloads, self.forwarded = [], [], 0


class Room:
    """People in one call. Time goes on by `pass_s` only."""

    def __init__(self, *pitches: float, listeners: int = 0) -> None:
        self.mixer = CallMixer(_NO_TASKS)
        self.people = [Person(hz, self.mixer) for hz in pitches]
        self.people += [Person(0, self.mixer, is_listener=True) for _ in range(listeners)]
        self._now_s = 100.0

    def pass_s(self, seconds: float) -> None:
        for _ in range(round(seconds / FRAME_S)):
            for person in self.people:
                if not person.is_listener:
                    person.say(self._now_s)
            self.mixer.tick(self._now_s + FRAME_S / 3)
            self._now_s += FRAME_S

    def mixing(self) -> list[bool]:
        return [person.track.mixing for person in self.people]

    def forget(self) -> None:
        for person in self.people:
            person.forget()


class _NoTasks(Supervisor):
    """The clock is turned by hand."""

    def spawn(self, coroutine: Coroutine[Any, Any, None], *, name: str) -> None:
        coroutine.close()


_NO_TASKS = _NoTasks("nobody")


def test_six_hear_each_other_and_nobody_himself() -> None:
    pitches = (300, 500, 800, 1200, 1700, 2300)
    room = Room(*pitches)
    room.pass_s(2.0)
    for person in room.people:
        heard = person.heard(skip_s=1.0)
        assert level_db(heard, person.hz) < -40
        assert all(level_db(heard, hz) > -25 for hz in pitches if hz != person.hz)


@pytest.mark.parametrize("hz", [220.0, 440.0, 1234.0])
def test_to_the_mix_and_back_the_voice_has_no_gap_and_nothing_is_said_twice(hz: float) -> None:
    room = Room(hz, 700)
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
    room = Room(400, 700, 1100)
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
    room = Room(400, 700, listeners=4)
    room.pass_s(1.0)
    payloads = [person.payloads[5:] for person in room.people]
    assert payloads[2] == payloads[3] == payloads[4] == payloads[5]
    assert payloads[0] != payloads[1]
    heard = room.people[5].heard(skip_s=0.5)
    assert level_db(heard, 400) > -20
    assert level_db(heard, 700) > -20


def test_one_voice_for_many_listeners_is_forwarded() -> None:
    room = Room(400, listeners=5)
    room.pass_s(0.5)
    assert [person.forwarded for person in room.people] == [0, 25, 25, 25, 25, 25]
    assert not any(person.track.mixing for person in room.people)


def test_a_gain_changes_how_others_hear_a_voice_and_none_lets_it_be_forwarded() -> None:
    room = Room(400, 700)
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
    room = Room(400, 700)
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
    room, doubler = Room(400, 700), Doubler()
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
        rate.report(0.3)
    assert rate.bitrate_bps == MIN_BITRATE_BPS
    assert rate.loss == 0.3


def test_a_listener_who_reports_loss_gets_smaller_packets() -> None:
    room = Room(400, 700, 1100)
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
    room = Room(400, 700, 1100)
    room.pass_s(1.0)
    silent = room.people[1]
    silent.is_listener = True
    room.pass_s(2.0)
    room.forget()
    room.pass_s(1.0)
    heard = room.people[0].heard()
    assert level_db(heard, 1100) > -20
    assert level_db(heard, 700) < -50
