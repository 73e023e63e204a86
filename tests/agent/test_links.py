"""The real agent and a real worker, with a network between them that fails."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from agent.renewal import RenewalLimits
from media.door import LegState
from media.leg import Limits
from media.worker import MediaWorker
from protocol.messages.calls import LOST_FOR_GOOD, CallEnd
from protocol.messages.connection import WebrtcOffer
from protocol.worker import LegOffer
from tests.agent.conftest import MICROPHONE_HZ, QUICK, Eventually, StartAgent
from tests.agent.sounds import read_wav
from tests.fakes.door import FakeDoor
from tests.fakes.hub import FakeHub
from tests.fakes.leg import tone_share
from tests.fakes.peer import RATE, RealPeer
from tests.fakes.relay import Relay

pytestmark = pytest.mark.integration

QUICK_TO_END = replace(QUICK, renewal=RenewalLimits(give_up_s=4.0))
CALLER_HZ = 700.0
WINDOW = RATE // 10


@dataclass
class Line:
    """The device on one end, the caller on the other; only the device's packets go through the relay."""

    hub: FakeHub
    worker: MediaWorker
    door: FakeDoor
    relay: Relay
    caller: RealPeer
    leg_id: UUID
    speaker: Path

    async def answer(self, offer: WebrtcOffer) -> str:
        await self.worker.handle(
            LegOffer(
                leg_id=self.leg_id,
                call_id=offer.call_id,
                participant_id=self.leg_id,
                sdp=self.relay.offer(offer.sdp),
                ice_servers=[],
                reply_channel="device",
                request_id=offer.id,
            )
        )
        told = await self.door.wait_for("answer", lambda told: told.request_id == offer.id)
        return await self.relay.answer(str(told.sdp))

    async def both_ways(self, *, within_s: float) -> float:
        """Until each end heard the other for a tenth of a second, both from now on. How long it took."""
        began_s, played = time.monotonic(), len(read_wav(self.speaker))
        self.caller.forget()
        while not (self._caller_hears() and self._room_hears(played)):
            if time.monotonic() - began_s > within_s:
                raise AssertionError(f"no sound both ways within {within_s} s")
            await asyncio.sleep(0.02)
        return time.monotonic() - began_s

    def _caller_hears(self) -> bool:
        heard = self.caller.heard()
        return len(heard) >= WINDOW and tone_share(heard[-WINDOW:], MICROPHONE_HZ) > 0.7

    def _room_hears(self, since: int) -> bool:
        heard = read_wav(self.speaker)[since:]
        return len(heard) >= WINDOW and tone_share(heard[-WINDOW:], CALLER_HZ) > 0.7

    @property
    def offer_count(self) -> int:
        return len(self.hub.all(WebrtcOffer))


@pytest_asyncio.fixture
async def line(hub: FakeHub, tmp_path: Path) -> AsyncIterator[Line]:
    door = FakeDoor()
    worker = MediaWorker(
        door, recordings_root=tmp_path / "recordings", captures_root=tmp_path / "captures", limits=Limits()
    )
    async with Relay() as relay, RealPeer(worker, door, frequency_hz=CALLER_HZ) as caller:
        line = Line(hub, worker, door, relay, caller, uuid4(), tmp_path / "speaker.wav")
        hub.answer_offer = line.answer
        yield line
        await worker.aclose()


async def _call(line: Line) -> UUID:
    await line.hub.online()
    call_id = await line.hub.call()
    await line.caller.connect(call_id=call_id)
    await line.both_ways(within_s=10)
    return call_id


async def test_a_link_that_was_gone_for_five_seconds_is_back_within_two(
    line: Line, start_agent: StartAgent
) -> None:
    async with start_agent() as agent:
        await _call(line)
        line.relay.is_cut = True
        await line.door.wait_for(
            "leg_state", lambda told: line.door.states(line.leg_id)[-1:] == [LegState.LOST]
        )
        await asyncio.sleep(3)
        line.relay.is_cut = False
        assert await line.both_ways(within_s=2) < 2
        assert agent.phone.is_connected
        assert LegState.CLOSED not in line.door.states(line.leg_id)


async def test_a_rebound_nat_gets_a_new_connection_in_the_same_call(
    line: Line, start_agent: StartAgent
) -> None:
    async with start_agent():
        await _call(line)
        await line.relay.rebind()
        await line.both_ways(within_s=10)
        assert line.hub.all(CallEnd) == []
        assert line.worker.exchange.leg_count == 2


async def test_a_link_that_stays_away_ends_the_call_with_the_reason(
    line: Line, start_agent: StartAgent, eventually: Eventually
) -> None:
    async with start_agent(timings=QUICK_TO_END):
        await _call(line)
        line.relay.is_cut = True
        assert (await line.hub.received(CallEnd)).reason == LOST_FOR_GOOD
        await eventually(lambda: "call" not in {task.get_name() for task in asyncio.all_tasks()})


async def test_a_caller_who_is_gone_leaves_the_device_s_connection_alone(
    line: Line, start_agent: StartAgent
) -> None:
    """Only the reports of RTCP come then, and they are enough."""
    async with start_agent() as agent:
        await _call(line)
        line.caller.microphone.hold()
        offers = line.offer_count
        await asyncio.sleep(6)
        assert line.offer_count == offers
        assert agent.phone.is_connected
