"""Two connections of one leg, where the other end changes its mind."""

import asyncio
from uuid import uuid4

import pytest

from media.door import LegState
from media.worker import MediaWorker
from protocol.worker import CallClose
from tests.fakes.door import FakeDoor
from tests.fakes.peer import RealPeer, level_db

pytestmark = pytest.mark.unit


async def test_an_end_that_goes_back_to_its_former_connection_has_not_hung_up(
    worker: MediaWorker, door: FakeDoor
) -> None:
    """Its link came back in the moment in which the new connection stood: it lets go of that one."""
    call_id = uuid4()
    anna, again = RealPeer(worker, door, frequency_hz=440), RealPeer(worker, door, frequency_hz=700)
    again.leg_id, again.participant_id = anna.leg_id, anna.participant_id
    async with anna, RealPeer(worker, door, frequency_hz=1000) as ben:
        await anna.connect(call_id=call_id)
        await ben.connect(call_id=call_id)
        async with again, asyncio.timeout(10):
            await again.connect(call_id=call_id)
            while level_db(await ben.listen(0.2), 700) < -20:
                continue  # until the new one is the one that is heard
        async with asyncio.timeout(10):
            while level_db(await ben.listen(0.2), 440) < -20 or level_db(await anna.listen(0.2), 1000) < -20:
                continue
        assert LegState.CLOSED not in door.states(anna.leg_id)
        await worker.handle(CallClose(call_id=call_id))
        await door.wait_for("leg_state", lambda told: told.state is LegState.CLOSED)
