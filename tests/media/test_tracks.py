import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from media.packets import MicPacket
from media.sound.player import ClipPlayer
from media.sound.tracks import MAX_CLIPS, Inlet, OutgoingTrack
from media.supervise import Supervisor
from sound.opus import OpusDecoder, Samples
from tests.fakes.peer import loudest_hz, write_tone

pytestmark = pytest.mark.unit


class FakeOutlet:
    def __init__(self) -> None:
        self.forwarded: list[MicPacket] = []
        self.sent: list[bytes] = []

    def forward(self, packet: MicPacket) -> None:
        self.forwarded.append(packet)

    def send(self, payload: bytes, *, now_s: float, samples: int) -> None:
        self.sent.append(payload)

    def heard(self) -> Samples:
        decoder = OpusDecoder()
        return np.concatenate([decoder.decode(payload) for payload in self.sent])


@pytest_asyncio.fixture
async def tasks() -> AsyncIterator[Supervisor]:
    supervisor = Supervisor("media")
    yield supervisor
    await supervisor.aclose()


@given(st.lists(st.one_of(st.none(), st.integers(1, 3000)), max_size=60))
def test_an_inlet_gives_whole_frames_in_order_and_is_bounded(steps: list[int | None]) -> None:
    """A number pushes so many samples, None takes a frame."""
    inlet, next_value, taken = Inlet(), 1, []
    for step in steps:
        if step is None:
            frame = inlet.pop()
            assert frame.size == 960
            taken += [int(value) for value in frame if value]
        else:
            inlet.push(np.arange(next_value, next_value + step).astype(np.int16))
            next_value += step
        assert inlet._size <= 9600
    assert [value for value in taken if value > 0] == sorted({value for value in taken if value > 0})


def test_an_inlet_waits_for_two_frames_against_jitter() -> None:
    inlet = Inlet()
    inlet.push(np.ones(960, dtype=np.int16))
    assert not inlet.pop().any()
    inlet.push(np.ones(960, dtype=np.int16))
    assert inlet.pop().all()


async def test_one_voice_is_forwarded_two_are_mixed(tasks: Supervisor) -> None:
    track = OutgoingTrack(FakeOutlet(), tasks)
    found = []
    for count in (0, 1, 2, 3, 1):
        track.set_voices([uuid4() for _ in range(count)])
        found.append(track.mixing)
    assert found == [False, False, True, True, False]


async def test_another_tone_takes_the_place_of_the_first(tasks: Supervisor) -> None:
    outlet = FakeOutlet()
    track = OutgoingTrack(outlet, tasks)
    track.start_tone(frequency_hz=300)
    track.start_tone(frequency_hz=900)
    await asyncio.sleep(1.0)
    track.close()
    assert loudest_hz(outlet.heard()[9600:]) == pytest.approx(900, abs=5)
    assert 35 <= len(outlet.sent) <= 55


async def test_clips_wait_for_each_other_and_their_number_is_bounded(
    tasks: Supervisor, tmp_path: Path
) -> None:
    path = write_tone(tmp_path / "a.wav", frequency_hz=500, seconds=0.3)
    track = OutgoingTrack(FakeOutlet(), tasks)
    clips = [await ClipPlayer.open(path) for _ in range(MAX_CLIPS + 1)]
    assert [track.play(clip) for clip in clips] == [True] * MAX_CLIPS + [False]
    track.close()
    for clip in clips:
        clip.close()
        assert await asyncio.to_thread(clip.join, 5)
