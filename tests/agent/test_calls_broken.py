"""Calls of a device whose connection, socket, hub or network goes away, or whose worker changes."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from structlog.testing import capture_logs

from agent.renewal import RenewalLimits
from agent.state import State
from protocol.errors import ErrorCode
from protocol.messages.calls import LOST_FOR_GOOD, CallEnd, CallMoved, CallRole, CallState, CallStateMessage
from protocol.messages.connection import WebrtcOffer
from protocol.messages.statistics import Stats
from tests.agent.conftest import MICROPHONE_HZ, QUICK, QUICK_TO_NOTICE, Eventually, StartAgent
from tests.agent.sounds import read_wav
from tests.fakes.hub import FakeHub
from tests.fakes.leg import level_db, tone_share
from tests.network.stalls import Stalls

pytestmark = pytest.mark.integration


async def test_a_moved_call_is_connected_anew_before_the_old_connection_closes(
    hub: FakeHub, start_agent: StartAgent
) -> None:
    async with start_agent():
        await hub.online()
        call_id = await hub.call()
        old = await hub.leg()
        await old.heard(seconds=0.2)
        await hub.send(CallMoved(call_id=call_id))
        new = await hub.leg(2)
        await new.heard(seconds=0.1)
        both = await asyncio.gather(old.heard(seconds=0.5), new.heard(seconds=0.5))
        assert min(tone_share(heard, MICROPHONE_HZ) for heard in both) > 0.7, (
            "the other end may listen to either"
        )
        await old.closed()
        assert tone_share(await new.heard(seconds=0.5), MICROPHONE_HZ) > 0.7


async def test_a_refused_offer_is_made_again(hub: FakeHub, start_agent: StartAgent) -> None:
    hub.refuses_offers.extend([ErrorCode.NO_WORKER, ErrorCode.NO_WORKER])
    async with start_agent():
        await hub.online()
        await hub.call()
        await hub.leg()
        assert len(hub.all(WebrtcOffer)) == 3


async def test_it_hangs_up_when_the_hub_says_that_the_call_is_over(
    hub: FakeHub, start_agent: StartAgent, eventually: Eventually
) -> None:
    hub.refuses_offers.append(ErrorCode.CALL_ENDED)
    async with start_agent() as agent:
        await hub.online()
        await hub.call()
        await hub.received(WebrtcOffer)
        await eventually(lambda: agent.state.state is State.IDLE)


async def test_the_call_lives_through_a_lost_socket(hub: FakeHub, start_agent: StartAgent) -> None:
    with capture_logs() as said:
        async with start_agent():
            await hub.online()
            call_id = await hub.call()
            leg = await hub.leg()
            hub.first_words = [CallStateMessage(call_id=call_id, state=CallState.CONNECTED)]
            await hub.cut()
            await hub.online(count=2)
            assert tone_share(await leg.heard(seconds=0.5), MICROPHONE_HZ) > 0.7
            assert len(hub.legs) == 1
            hub.first_words = []
            await hub.send(CallEnd(call_id=call_id))
            await leg.closed()
            await hub.cut()
            await hub.online(count=3)
    words = [line["event"] for line in said]
    lost = words.index("{device} has lost the hub. The call goes on while both ends hear each other.")
    assert "{device} is offline" not in words[:lost]
    assert "{device} is offline" in words[lost:]


async def test_a_dead_connection_is_replaced_within_the_call(hub: FakeHub, start_agent: StartAgent) -> None:
    with capture_logs() as said:
        async with start_agent(timings=QUICK_TO_NOTICE):
            await hub.online()
            await hub.call()
            await (await hub.leg()).close()
            leg = await hub.leg(2)
            assert tone_share(await leg.heard(seconds=0.5, skip_s=0.3), MICROPHONE_HZ) > 0.7
    words = [line["event"] for line in said]
    assert (words.count("Reconnecting…"), words.count("The sound is back")) == (1, 1)


async def test_an_ordinary_end_is_no_lost_connection(
    hub: FakeHub, start_agent: StartAgent, eventually: Eventually
) -> None:
    """The worker closes the connection before the hub's own word arrives."""
    with capture_logs() as said:
        async with start_agent() as agent:
            await hub.online()
            call_id = await hub.call()
            leg = await hub.leg()
            await leg.heard(seconds=0.2)
            hub.refuses_offers.extend([ErrorCode.NO_WORKER] * 100)
            await leg.end()
            await hub.received(WebrtcOffer, count=2)
            await hub.send(CallEnd(call_id=call_id))
            await eventually(lambda: agent.state.state is State.IDLE)
            await eventually(lambda: "downlink" not in {task.get_name() for task in asyncio.all_tasks()})
    words = [line["event"] for line in said]
    assert "The call with {caller} is over" in words
    assert "Reconnecting…" not in words


async def test_a_call_that_ends_while_the_hub_is_away_is_over_at_once(
    hub: FakeHub, start_agent: StartAgent, eventually: Eventually
) -> None:
    async with start_agent() as agent:
        await hub.online()
        await hub.call()
        leg = await hub.leg()
        await leg.heard(seconds=0.2)
        await hub.stop_listening()
        await leg.end()
        await eventually(lambda: agent.state.state is State.IDLE)


async def test_after_a_restart_it_comes_back_into_the_call(hub: FakeHub, start_agent: StartAgent) -> None:
    async with start_agent():
        await hub.online()
    call_id = uuid4()
    hub.first_words = [CallStateMessage(call_id=call_id, state=CallState.CONNECTED)]
    with capture_logs() as said:
        async with start_agent():
            leg = await hub.leg()
            assert (await hub.received(WebrtcOffer)).call_id == call_id
            assert tone_share(await leg.heard(seconds=0.5, skip_s=0.3), MICROPHONE_HZ) > 0.7
    words = [line["event"] for line in said]
    assert "Back in the call that goes on" in words
    assert not any("is calling" in word for word in words)


async def test_a_hang_up_that_the_hub_did_not_hear_is_said_again(
    hub: FakeHub, start_agent: StartAgent
) -> None:
    async with start_agent() as agent:
        await hub.online()
        call_id = await hub.call()
        await hub.leg()
        await hub.stop_listening()
        await agent.phone.hang_up()
        hub.first_words = [CallStateMessage(call_id=call_id, state=CallState.CONNECTED)]
        await hub.listen()
        assert (await hub.received(CallEnd)).call_id == call_id
        assert agent.state.state is State.IDLE


async def test_the_microphone_is_off_while_the_caller_is_away_and_on_when_he_is_back(
    hub: FakeHub, start_agent: StartAgent
) -> None:
    async with start_agent():
        await hub.online()
        call_id = await hub.call()
        leg = await hub.leg()
        assert level_db(await leg.heard(seconds=0.3, skip_s=0.3)) > -25
        connected = CallStateMessage(call_id=call_id, state=CallState.CONNECTED)
        await hub.send(connected.model_copy(update={"away": [CallRole.CALLER]}))
        assert level_db(await leg.heard(seconds=0.3, skip_s=0.5)) < -60
        await hub.send(connected)
        assert tone_share(await leg.heard(seconds=0.3, skip_s=0.5), MICROPHONE_HZ) > 0.7
        assert len(hub.legs) == 1


async def test_a_device_that_missed_a_push_is_told_with_its_next_statistics_within_five_seconds(
    hub: FakeHub, start_agent: StartAgent
) -> None:
    """The hub says how the call stands to whoever measures it, where that is not what it said last."""
    async with start_agent():
        await hub.online()
        call_id = await hub.call()
        leg = await hub.leg()
        await hub.received(Stats)
        connected = CallStateMessage(call_id=call_id, state=CallState.CONNECTED)
        await hub.send(connected.model_copy(update={"away": [CallRole.CALLER]}))
        muted_at_s = time.monotonic()
        assert level_db(await leg.heard(seconds=0.3, skip_s=0.5)) < -60
        await hub.received(Stats, count=2)
        await hub.send(connected)
        assert time.monotonic() - muted_at_s < 5
        assert tone_share(await leg.heard(seconds=0.3, skip_s=0.5), MICROPHONE_HZ) > 0.7


async def test_a_device_that_the_hub_does_not_hear_connects_anew(
    hub: FakeHub, start_agent: StartAgent
) -> None:
    async with start_agent(timings=replace(QUICK, renewal=RenewalLimits(settled_s=0.1))):
        await hub.online()
        call_id = await hub.call()
        leg = await hub.leg()
        await leg.heard(seconds=0.5)
        await hub.send(CallStateMessage(call_id=call_id, state=CallState.CONNECTED, away=[CallRole.CALLEE]))
        new = await hub.leg(2)
        await leg.closed()
        assert tone_share(await new.heard(seconds=0.5, skip_s=0.3), MICROPHONE_HZ) > 0.7


async def test_another_network_means_another_connection_and_another_socket(
    hub: FakeHub, start_agent: StartAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses = ["192.0.2.1"]
    monkeypatch.setattr("agent.callmedia.local_address", lambda _: addresses[-1])
    async with start_agent():
        await hub.online()
        call_id = await hub.call()
        leg = await hub.leg()
        await leg.heard(seconds=1.5)
        hub.first_words = [CallStateMessage(call_id=call_id, state=CallState.CONNECTED)]
        addresses.append("192.0.2.2")
        await hub.online(count=2)
        assert tone_share(await (await hub.leg(2)).heard(seconds=0.5, skip_s=0.3), MICROPHONE_HZ) > 0.7


async def test_a_renewal_leaves_no_hole_in_what_the_room_hears(
    hub: FakeHub, start_agent: StartAgent, tmp_path: Path
) -> None:
    async with start_agent():
        await hub.online()
        call_id = await hub.call()
        async with Stalls() as stalls:
            await (await hub.leg()).heard(seconds=1.0)
            await hub.send(CallMoved(call_id=call_id))
            await (await hub.leg(2)).heard(seconds=1.5)
            played = read_wav(tmp_path / "speaker.wav")
    frames = np.abs(played[-96_000:-4_800].astype(np.int32)).reshape(-1, 480).max(axis=1)
    silent = "".join("x" if loud < 500 else "." for loud in frames)
    # This loop runs the caller, too: while it stands still there is nothing to hear.
    assert 0.01 * max(map(len, silent.split("."))) <= 0.04 + stalls.longest_s, silent


async def test_a_call_that_does_not_come_back_ends_with_the_reason(
    hub: FakeHub, start_agent: StartAgent, eventually: Eventually
) -> None:
    limits = RenewalLimits(silence_s=0.5, quiet_s=1.0, give_up_s=2.0)
    async with start_agent(timings=replace(QUICK, renewal=limits)) as agent:
        await hub.online()
        call_id = await hub.call()
        leg = await hub.leg()
        hub.refuses_offers.extend([ErrorCode.NO_WORKER] * 100)
        await leg.close()
        end = await hub.received(CallEnd)
        assert (end.call_id, end.reason) == (call_id, LOST_FOR_GOOD)
        await eventually(lambda: agent.state.state is State.IDLE)
