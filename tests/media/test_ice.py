"""ICE between a real peer and the worker, where packets are lost."""

import asyncio

import pytest
from aioice import stun
from aioice.ice import StunProtocol

from media.connection.ice import SharedConnection
from media.door import LegState
from media.worker import MediaWorker
from tests.fakes.door import FakeDoor
from tests.fakes.peer import RealPeer

pytestmark = pytest.mark.unit


async def test_a_check_that_was_lost_is_repeated_as_soon_as_the_other_ends_comes_through(
    worker: MediaWorker, door: FakeDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the other end's relay does not know us yet. Nobody waits for the clock, which is set to half a minute."""
    send, lost = StunProtocol.send_stun, set[tuple[StunProtocol, tuple[str, int]]]()

    def lose_the_first(self: StunProtocol, message: stun.Message, addr: tuple[str, int]) -> None:
        is_ours = isinstance(self.receiver, SharedConnection)
        if is_ours and message.message_class is stun.Class.REQUEST and (self, addr) not in lost:
            lost.add((self, addr))
        else:
            send(self, message, addr)

    monkeypatch.setattr(StunProtocol, "send_stun", lose_the_first)
    monkeypatch.setattr(stun, "RETRY_RTO", 30.0)
    async with RealPeer(worker, door) as anna, asyncio.timeout(15):
        await anna.connect()
        await door.wait_for("leg_state", lambda told: told.state is LegState.CONNECTED)
    assert lost
