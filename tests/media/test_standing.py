"""A standing leg waits, joins a call, leaves it, and waits again: over one connection, and in silence in between."""

import asyncio
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from media.door import LegState
from media.worker import CHIME_HZ, MediaWorker
from protocol.errors import ErrorCode
from protocol.worker import CallClose, LegClose, LegJoin, LegOffer
from tests.fakes.door import FakeDoor, Told
from tests.fakes.peer import RealPeer, decoded, level_db, loudest_hz

pytestmark = pytest.mark.unit

DOOR_HZ, ANNA_HZ = 1000, 440


async def join(worker: MediaWorker, door: RealPeer, call_id: UUID, name: str | None = None) -> UUID:
    """Returns the participant's id, another one for each call."""
    participant_id = uuid4()
    await worker.handle(
        LegJoin(leg_id=door.leg_id, call_id=call_id, participant_id=participant_id, recording_name=name)
    )
    return participant_id


async def standing(peer: RealPeer, hub: FakeDoor) -> None:
    peer.is_standing = True
    await peer.connect()
    await hub.wait_for("standing_state", lambda told: told.state is LegState.CONNECTED)


async def finished(door: FakeDoor, participant_id: UUID) -> Told:
    return await door.wait_for(
        "recording_finished", lambda told: bool(told.recording.participant_id == participant_id)
    )


async def test_it_is_heard_in_its_calls_and_nowhere_else(
    worker: MediaWorker, door: FakeDoor, recordings: Path
) -> None:
    async with RealPeer(worker, door, frequency_hz=DOOR_HZ) as bell:
        await standing(bell, door)
        await asyncio.sleep(0.5)
        assert not door.all("recording_started")
        assert bell.heard().size == 0
        for number in (1, 2):
            call_id = uuid4()
            bell.forget()
            participant_id = await join(worker, bell, call_id, f"{number}/bell.ogg")
            # The peer's jitter buffer keeps its last packets, and brings those of the call before with the next ones.
            assert level_db(await bell.wait_heard(0.2), CHIME_HZ, width_hz=50) > -25
            async with RealPeer(worker, door, frequency_hz=ANNA_HZ) as anna:
                await anna.connect(call_id=call_id, recording_name=f"{number}/anna.ogg")
                heard_by_anna, heard_by_bell = await asyncio.gather(anna.listen(1.0), bell.listen(1.0))
                assert loudest_hz(heard_by_anna) == pytest.approx(DOOR_HZ, abs=3)
                assert loudest_hz(heard_by_bell) == pytest.approx(ANNA_HZ, abs=3)
                assert level_db(heard_by_bell[24_000:], DOOR_HZ) < -40
                assert level_db(heard_by_anna, CHIME_HZ) < -40
                await worker.handle(CallClose(call_id=call_id))
                file = await finished(door, participant_id)
            states = [told.state for told in door.all("leg_state") if told.participant_id == participant_id]
            assert states == [LegState.CONNECTED, LegState.CLOSED]
            assert loudest_hz(decoded(door.sound(recordings, file.recording.name))) == pytest.approx(
                DOOR_HZ, abs=3
            )
            assert worker.exchange.standing_ids == [bell.leg_id]
            bell.forget()
            await asyncio.sleep(0.5)
            assert bell.heard().size < 24_000  # what was on its way, and nothing more
        assert [told.state for told in door.all("standing_state")] == [LegState.CONNECTED]


async def test_it_answers_as_the_dtls_server_and_hears_only_where_it_offered_to(
    worker: MediaWorker, door: FakeDoor
) -> None:
    async with RealPeer(worker, door) as bell:
        bell.is_standing = True
        answer = await bell.connect()
        assert "a=setup:passive" in answer
        assert "a=sendrecv" in answer
    async with RealPeer(worker, door) as speaker:
        speaker.is_standing = True
        offer = (await speaker.offer()).replace("a=sendrecv", "a=sendonly")
        assert "a=recvonly" in await speaker.send_offer(offer, call_id=None)


async def test_a_second_connection_takes_over_within_its_call(worker: MediaWorker, door: FakeDoor) -> None:
    call_id = uuid4()
    async with (
        RealPeer(worker, door, frequency_hz=DOOR_HZ) as bell,
        RealPeer(worker, door, frequency_hz=1700) as again,
        RealPeer(worker, door, frequency_hz=ANNA_HZ) as anna,
    ):
        await standing(bell, door)
        participant_id = await join(worker, bell, call_id)
        await anna.connect(call_id=call_id)
        await anna.listen(0.5)
        again.leg_id, again.is_standing = bell.leg_id, True
        await again.connect()
        async with asyncio.timeout(10):
            while loudest_hz(await anna.listen(0.5)) != pytest.approx(1700, abs=5):
                pass
        assert loudest_hz(await again.listen(0.5)) == pytest.approx(ANNA_HZ, abs=3)
        states = [told.state for told in door.all("leg_state") if told.participant_id == participant_id]
        assert states == [LegState.CONNECTED]


async def test_one_that_is_gone_leaves_its_call(worker: MediaWorker, door: FakeDoor) -> None:
    async with RealPeer(worker, door, frequency_hz=DOOR_HZ) as bell:
        await standing(bell, door)
        participant_id = await join(worker, bell, uuid4())
        await worker.handle(LegClose(leg_id=bell.leg_id, reason="The device hung up."))
        told = await door.wait_for("leg_state", lambda told: told.state is LegState.CLOSED)
        assert (told.participant_id, told.reason) == (participant_id, "The device hung up.")
        await door.wait_for("standing_state", lambda told: told.state is LegState.CLOSED)


async def test_a_call_that_finds_nobody_is_told_so(worker: MediaWorker, door: FakeDoor) -> None:
    async with RealPeer(worker, door) as nobody:
        participant_id = await join(worker, nobody, uuid4())
        told = await door.wait_for("leg_state")
    assert (told.participant_id, told.state) == (participant_id, LegState.CLOSED)
    assert told.reason == "The device is not connected any more."


async def test_a_worker_that_drains_lets_those_go_that_wait_and_takes_no_new_ones(
    worker: MediaWorker, door: FakeDoor
) -> None:
    async with RealPeer(worker, door) as bell, RealPeer(worker, door) as late:
        await standing(bell, door)
        await worker.exchange.drain(5.0)
        await door.wait_for("standing_state", lambda told: told.state is LegState.CLOSED)
        offer = LegOffer(
            leg_id=late.leg_id, sdp=await late.offer(), ice_servers=[], reply_channel="test", is_standing=True
        )
        await worker.handle(offer)
        assert (await door.wait_for("error")).code is ErrorCode.NO_WORKER
    assert worker.exchange.standing_ids == []
