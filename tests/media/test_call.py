"""Two real peers through a real worker."""

import asyncio
import time
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest

from media import session
from media.connection.ice import SharedConnection
from media.door import LegState
from media.sound.echo import LegEchoCanceller
from media.worker import MediaWorker
from protocol.worker import CallClose, LegOffer
from sound.opus import Samples
from tests.fakes.door import FakeDoor
from tests.fakes.peer import RealPeer, decoded, level_db, loudest_hz

pytestmark = pytest.mark.unit


async def test_both_hear_the_other_and_nobody_hears_himself(worker: MediaWorker, door: FakeDoor) -> None:
    call_id = uuid4()
    async with (
        RealPeer(worker, door, frequency_hz=440) as anna,
        RealPeer(worker, door, frequency_hz=1000) as ben,
    ):
        await anna.connect(call_id=call_id)
        await ben.connect(call_id=call_id)
        heard_by_anna, heard_by_ben = await asyncio.gather(anna.listen(1.5), ben.listen(1.5))
        tail = slice(24_000, None)
        assert loudest_hz(heard_by_anna[tail]) == pytest.approx(1000, abs=3)
        assert loudest_hz(heard_by_ben[tail]) == pytest.approx(440, abs=3)
        assert level_db(heard_by_anna[tail], 1000) > -15
        assert level_db(heard_by_anna[tail], 440) < -40
        assert level_db(heard_by_ben[tail], 1000) < -40


async def hears(peer: RealPeer, frequency_hz: float) -> bool:
    """The tone to 3 Hz, within five seconds: on a busy machine a jitter buffer stretches some of them."""
    for _ in range(5):
        if abs(loudest_hz(await peer.listen(1.0)) - frequency_hz) <= 3:
            return True
    return False


async def test_a_device_that_cannot_remove_echo_is_heard_through_the_worker(
    worker: MediaWorker, door: FakeDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    call_id, played, taken = uuid4(), [], []

    class Watched(LegEchoCanceller):
        is_active, echo_return_loss_enhancement = True, 21.5

        def far_end(self, samples: Samples) -> None:
            played.append(samples)
            super().far_end(samples)

        def process(self, samples: Samples) -> Samples:
            taken.append(samples)
            return super().process(samples)

    monkeypatch.setattr(session, "LegEchoCanceller", Watched)
    async with (
        RealPeer(worker, door, frequency_hz=440) as anna,
        RealPeer(worker, door, frequency_hz=1000) as device,
    ):
        device.needs_echo_cancellation = True
        await anna.connect(call_id=call_id)
        await device.connect(call_id=call_id)
        assert all(await asyncio.gather(hears(anna, 1000), hears(device, 440)))
        # While both are there: at the end what is lost is made up for.
        far, near = (np.concatenate(frames[-40:]) for frames in (played, taken))
    assert loudest_hz(far) == pytest.approx(440, abs=15)
    assert loudest_hz(near) == pytest.approx(1000, abs=15)
    await door.wait_for("leg_measured", lambda _: len(door.all("leg_measured")) == 2)
    told = {told.participant_id: told.measured for told in door.all("leg_measured")}
    assert told[device.participant_id].echo_return_loss_enhancement == 21.5
    assert told[anna.participant_id].echo_return_loss_enhancement is None


async def test_what_is_said_at_one_time_stands_at_one_time_in_both_files(
    worker: MediaWorker, door: FakeDoor, recordings: Path
) -> None:
    call_id = uuid4()
    async with (
        RealPeer(worker, door, frequency_hz=440) as anna,
        RealPeer(worker, door, frequency_hz=1000) as ben,
    ):
        await anna.connect(call_id=call_id, recording_name="anna.opus")
        await door.wait_for("leg_state", lambda told: told.leg_id == anna.leg_id)
        await asyncio.sleep(1.0)
        anna.microphone.silent_until_s = ben.microphone.silent_until_s = time.monotonic() + 2.5
        await ben.connect(call_id=call_id, recording_name="ben.opus")
        await door.wait_for("recording_started")
        until_s = anna.microphone.silent_until_s - time.monotonic()
        await asyncio.sleep(until_s + 0.8)
        await worker.handle(CallClose(call_id=call_id))
        await door.wait_for("recording_finished", lambda told: told.recording.name == "ben.opus")
    onsets = [
        int(np.argmax(np.abs(decoded(door.sound(recordings, name))) > 8000)) / 48_000
        for name in ("anna.opus", "ben.opus")
    ]
    assert onsets[0] == pytest.approx(onsets[1], abs=0.15)
    assert onsets[0] == pytest.approx(until_s, abs=0.3)


async def test_a_call_that_is_closed_while_a_leg_joins_leaves_nothing(
    worker: MediaWorker, door: FakeDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    gather, call_id = SharedConnection.gather_candidates, uuid4()

    async def wait_for_a_server(self: SharedConnection) -> None:
        await asyncio.sleep(0.05)
        await gather(self)

    monkeypatch.setattr(SharedConnection, "gather_candidates", wait_for_a_server)
    async with RealPeer(worker, door) as anna:
        sdp = await anna.offer()
        await worker.handle(
            LegOffer(leg_id=anna.leg_id, call_id=call_id, sdp=sdp, ice_servers=[], reply_channel="c")
        )
        await worker.handle(CallClose(call_id=call_id))
        told = await door.wait_for("leg_state")
        assert told.state is LegState.CLOSED
        await asyncio.sleep(0.2)
        assert worker.exchange.leg_count == 0
        assert not door.all("answer")


async def test_the_recordings_begin_together_and_hold_each_voice_alone(
    worker: MediaWorker, door: FakeDoor, recordings: Path
) -> None:
    call_id = uuid4()
    async with (
        RealPeer(worker, door, frequency_hz=440) as anna,
        RealPeer(worker, door, frequency_hz=1000) as ben,
    ):
        await anna.connect(call_id=call_id, recording_name="a/anna.opus")
        await door.wait_for("leg_state", lambda told: told.leg_id == anna.leg_id)
        assert not door.all("recording_started")
        await ben.connect(call_id=call_id, recording_name="a/ben.opus")
        await ben.listen(2.0)
        await worker.handle(CallClose(call_id=call_id))
        await door.wait_for("recording_finished", lambda told: told.recording.name == "a/ben.opus")
    files = {told.recording.name: told.recording for told in door.all("recording_finished")}
    assert set(files) == {"a/anna.opus", "a/ben.opus"}
    assert {told.recording.name for told in door.all("recording_started")} == set(files)
    assert files["a/anna.opus"].started_at_s == files["a/ben.opus"].started_at_s
    assert files["a/anna.opus"].duration_s == pytest.approx(files["a/ben.opus"].duration_s, abs=0.1)
    for name, frequency_hz, other_hz in (("a/anna.opus", 440, 1000), ("a/ben.opus", 1000, 440)):
        file, path = files[name], recordings / name
        samples = decoded(door.sound(recordings, name))
        assert path.stat().st_size == file.size_bytes
        assert path.stat().st_mode & 0o777 == 0o600
        assert samples.size / 48_000 == pytest.approx(file.duration_s, abs=0.01)
        assert 1.0 < file.duration_s < 10  # a busy machine connects slowly and listens long
        assert loudest_hz(samples[24_000:72_000]) == pytest.approx(frequency_hz, abs=3)
        assert level_db(samples[24_000:72_000], other_hz) < -55
        assert file.packets_lost == 0
    assert door.states(anna.leg_id) == [LegState.CONNECTED, LegState.CLOSED]
    assert worker.exchange.leg_count == 0
