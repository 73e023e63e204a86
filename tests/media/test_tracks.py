import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest
import pytest_asyncio

from media.packets import MicPacket
from media.sound.callmixer import CallMixer
from media.sound.player import ClipPlayer
from media.sound.tracks import MAX_CLIPS, OutgoingTrack
from media.supervise import Supervisor
from sound.opus import OpusDecoder, Samples
from tests.fakes.peer import loudest_hz, write_tone
from tests.network.stalls import Stalls

pytestmark = pytest.mark.unit
FRAME_S = 0.02


class FakeOutlet:
    def __init__(self) -> None:
        self.forwarded: list[MicPacket] = []
        self.sent: list[bytes] = []
        self.fraction_lost: float | None = None

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


def lone_track(outlet: FakeOutlet, tasks: Supervisor) -> OutgoingTrack:
    """Of a leg without a call."""
    mixer = CallMixer(tasks)
    track = OutgoingTrack(outlet, wake=mixer.wake)
    mixer.add(uuid4(), track)
    return track


def test_one_voice_is_forwarded_two_are_mixed() -> None:
    track = OutgoingTrack(FakeOutlet(), wake=lambda: None)
    voices: list[UUID] = [uuid4() for _ in range(3)]
    wanted = []
    for count in (0, 1, 2, 3, 1):
        track.set_voices(voices[:count])
        wanted.append(track.wants_mix)
    assert wanted == [False, False, True, True, False]


async def test_another_tone_takes_the_place_of_the_first(tasks: Supervisor) -> None:
    outlet = FakeOutlet()
    track = lone_track(outlet, tasks)
    began_s = time.monotonic()
    async with Stalls() as stalls:
        track.start_tone(frequency_hz=300)
        track.start_tone(frequency_hz=900)
        await asyncio.sleep(1.0)
    track.close()
    lasted_s = time.monotonic() - began_s
    assert loudest_hz(outlet.heard()[9600:]) == pytest.approx(900, abs=5)
    assert 35 - stalls.total_s / FRAME_S <= len(outlet.sent) <= lasted_s / FRAME_S + 5


async def test_a_tone_that_is_over_stops_the_clock(tasks: Supervisor) -> None:
    outlet = FakeOutlet()
    track = lone_track(outlet, tasks)
    track.start_tone(frequency_hz=300)
    track.stop_tone()
    async with asyncio.timeout(5):
        while tasks.task_count:
            await asyncio.sleep(0.01)
    assert not track.mixing
    assert 1 <= len(outlet.sent) <= 6


async def test_clips_wait_for_each_other_and_their_number_is_bounded(
    tasks: Supervisor, tmp_path: Path
) -> None:
    path = write_tone(tmp_path / "a.wav", frequency_hz=500, seconds=0.3)
    track = lone_track(FakeOutlet(), tasks)
    clips = [await ClipPlayer.open(path) for _ in range(MAX_CLIPS + 1)]
    assert [track.play(clip) for clip in clips] == [True] * MAX_CLIPS + [False]
    track.close()
    for clip in clips:
        clip.close()
        assert await asyncio.to_thread(clip.join, 5)
