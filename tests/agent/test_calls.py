"""Calls with a real peer connection and real sound."""

import asyncio
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives import hashes

from agent.callmedia import CallMedia
from agent.renewal import RenewalLimits
from agent.state import State
from protocol.messages.calls import (
    CallAccept,
    CallDecline,
    CallEnd,
    CallInvited,
    CallRinging,
    CallState,
    CallStateMessage,
)
from protocol.messages.connection import IceServer, IceTransportPolicy, WebrtcOffer
from protocol.messages.household import DeviceSettings
from protocol.messages.statistics import Stats
from tests.agent.conftest import MICROPHONE_HZ, QUICK, QUICK_TO_NOTICE, Eventually, StartAgent
from tests.agent.sounds import read_wav, write_wav
from tests.fakes.hub import FakeHub
from tests.fakes.leg import level_db, tone_share
from tests.house.backend import HouseBackend
from tests.house.room import Room

pytestmark = pytest.mark.integration


async def test_it_answers_by_itself_and_both_directions_are_heard_at_once(
    hub: FakeHub, start_agent: StartAgent, tmp_path: Path
) -> None:
    async with start_agent():
        await hub.online()
        call_id = await hub.call()
        assert (await hub.received(CallRinging)).call_id == call_id
        assert (await hub.received(CallAccept)).call_id == call_id
        leg = await hub.leg()
        uplink = await leg.heard(seconds=1.0, skip_s=0.3)
    downlink = read_wav(tmp_path / "speaker.wav")[-36_000:-12_000]
    assert tone_share(uplink, MICROPHONE_HZ) > 0.7
    assert level_db(uplink) > -25
    assert tone_share(downlink, hub.tone_hz) > 0.7
    assert level_db(downlink) > -25


async def test_its_offer_is_complete_and_carries_the_enrolled_certificate(
    hub: FakeHub, start_agent: StartAgent
) -> None:
    async with start_agent() as agent:
        await hub.online()
        await hub.call()
        offer = await hub.received(WebrtcOffer)
        fingerprint = agent.identity.certificate.fingerprint(hashes.SHA256()).hex(":").upper()
        assert f"a=fingerprint:sha-256 {fingerprint}" in offer.sdp
        assert "a=candidate:" in offer.sdp
        assert "a=end-of-candidates" in offer.sdp
        assert {line.split()[1] for line in offer.sdp.splitlines() if line.startswith("a=rtpmap")} == {
            "opus/48000/2"
        }


async def test_it_is_busy_for_a_second_caller_and_the_first_call_goes_on(
    hub: FakeHub, start_agent: StartAgent
) -> None:
    async with start_agent() as agent:
        await hub.online()
        await hub.call()
        leg = await hub.leg()
        second = await hub.call(caller="Ben")
        declined = await hub.received(CallDecline)
        assert (declined.call_id, declined.reason) == (second, "busy")
        assert tone_share(await leg.heard(seconds=0.5, skip_s=0.3), MICROPHONE_HZ) > 0.7
        assert agent.state.state is State.IN_CALL


async def test_the_same_invitation_twice_is_one_call(hub: FakeHub, start_agent: StartAgent) -> None:
    async with start_agent():
        await hub.online()
        call_id = await hub.call()
        await hub.leg()
        await hub.send(CallInvited(call_id=call_id, caller_name="Anna", auto_answer=True))
        await hub.received(CallAccept, count=2)
        assert hub.all(CallDecline) == []
        assert len(hub.legs) == 1


async def test_the_caller_hangs_up(hub: FakeHub, start_agent: StartAgent, eventually: Eventually) -> None:
    async with start_agent() as agent:
        await hub.online()
        call_id = await hub.call()
        leg = await hub.leg()
        await hub.send(CallEnd(call_id=call_id))
        await leg.closed()
        await eventually(lambda: agent.state.state is State.IDLE)
        assert hub.all(CallEnd) == []


async def test_the_device_hangs_up(hub: FakeHub, start_agent: StartAgent) -> None:
    async with start_agent() as agent:
        await hub.online()
        call_id = await hub.call()
        leg = await hub.leg()
        await agent.phone.hang_up()
        assert (await hub.received(CallEnd)).call_id == call_id
        await leg.closed()
        assert agent.state.state is State.IDLE


async def test_it_takes_the_next_call_right_after_the_last(hub: FakeHub, start_agent: StartAgent) -> None:
    async with start_agent():
        await hub.online()
        first = await hub.call()
        await hub.leg()
        await hub.send(CallEnd(call_id=first))
        await hub.call(caller="Ben")
        leg = await hub.leg(2)
        assert tone_share(await leg.heard(seconds=0.5, skip_s=0.3), MICROPHONE_HZ) > 0.7


async def test_a_call_that_ends_while_it_is_answered_leaves_nothing(
    hub: FakeHub, start_agent: StartAgent, eventually: Eventually
) -> None:
    async with start_agent() as agent:
        await hub.online()
        call_id = await hub.call()
        await hub.send(CallEnd(call_id=call_id))
        await hub.received(CallRinging)
        await eventually(lambda: agent.state.state is State.IDLE)
        await hub.call()
        await (await hub.leg(len(hub.legs) + 1)).connected()


async def test_without_auto_answer_it_rings_until_somebody_accepts(
    hub: FakeHub, start_agent: StartAgent, tmp_path: Path, eventually: Eventually
) -> None:
    async with start_agent() as agent:
        await hub.online()
        await hub.call(auto_answer=False)
        await hub.received(CallRinging)
        await eventually(lambda: len(read_wav(tmp_path / "speaker.wav")) > 24_000)
        assert agent.state.state is State.RINGING
        assert hub.all(CallAccept) == []
        assert tone_share(read_wav(tmp_path / "speaker.wav"), 440.0) > 0.4
        await agent.accept()
        await hub.received(CallAccept)
        leg = await hub.leg()
        assert tone_share(await leg.heard(seconds=0.5, skip_s=0.3), MICROPHONE_HZ) > 0.7


async def test_ringing_stops_when_nobody_answers(
    hub: FakeHub, start_agent: StartAgent, eventually: Eventually
) -> None:
    async with start_agent() as agent:
        await hub.online()
        await hub.call(auto_answer=False)
        await hub.received(CallRinging)
        await eventually(lambda: agent.state.state is State.IDLE)
        assert hub.all(CallAccept) == []


async def test_ringing_stops_when_the_caller_gives_up(
    hub: FakeHub, start_agent: StartAgent, eventually: Eventually
) -> None:
    async with start_agent() as agent:
        await hub.online()
        call_id = await hub.call(auto_answer=False)
        await hub.received(CallRinging)
        await hub.send(CallEnd(call_id=call_id))
        await eventually(lambda: agent.state.state is State.IDLE)
        await agent.accept()
        await asyncio.sleep(0)
        assert hub.all(CallAccept) == []


async def test_enter_declines_nothing_but_hangs_up_a_call(hub: FakeHub, start_agent: StartAgent) -> None:
    async with start_agent() as agent:
        await hub.online()
        await agent.press()
        call_id = await hub.call(auto_answer=False)
        await hub.received(CallRinging)
        await agent.press()
        await hub.leg()
        await agent.press()
        assert (await hub.received(CallEnd)).call_id == call_id


async def test_it_tells_what_it_measured(hub: FakeHub, start_agent: StartAgent) -> None:
    async with start_agent(timings=QUICK_TO_NOTICE):
        await hub.online()
        call_id = await hub.call()
        leg = await hub.leg()
        stats = await hub.received(Stats, count=2)
        assert (stats.call_id, stats.codec, stats.protocol) == (call_id, "audio/opus", "udp")
        assert stats.local_candidate_type == "host"
        [sample] = stats.samples
        assert 25 < sample.packets_received < 100
        assert 25 < sample.packets_sent < 100
        assert sample.packets_lost == 0
        assert sample.jitter_s is not None
        assert sample.jitter_s < 0.1
        assert 24_000 < (sample.total_samples_received or 0) < 96_000
        assert (sample.audio_level or 0.0) > 0.01
        # What it measures while the hub is away is told afterwards.
        hub.first_words = [CallStateMessage(call_id=call_id, state=CallState.CONNECTED)]
        await hub.stop_listening()
        told = len(hub.all(Stats))
        await leg.heard(seconds=2.5)
        await hub.listen()
        assert len((await hub.received(Stats, count=told + 1)).samples) > 1


async def test_the_microphone_file_starts_over_with_each_call(
    hub: FakeHub, start_agent: StartAgent, tmp_path: Path
) -> None:
    write_wav(tmp_path / "once.wav", hz=500.0, seconds=0.6)
    async with start_agent(microphone_name=f"file:{tmp_path / 'once.wav'}"):
        await hub.online()
        for number in (1, 2):
            call_id = await hub.call()
            leg = await hub.leg(number)
            await leg.heard(seconds=1.6)
            heard = leg.everything_heard()
            loud = [
                level_db(part) > -40 for part in np.split(heard[: heard.size // 480 * 480], heard.size // 480)
            ]
            assert sum(loud) / 100 == pytest.approx(0.6, abs=0.2), number  # a late packet is made up for
            assert level_db(heard[-9_600:]) < -60
            await hub.send(CallEnd(call_id=call_id))
            await leg.closed()


async def test_a_clean_stop_hangs_up_within_two_seconds(hub: FakeHub, start_agent: StartAgent) -> None:
    async with start_agent():
        await hub.online()
        call_id = await hub.call()
        await hub.leg()
        stopped_at = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - stopped_at < 2
    assert (await hub.received(CallEnd)).call_id == call_id


async def test_an_ice_server_that_is_none_is_left_out(hub: FakeHub, start_agent: StartAgent) -> None:
    hub.ice_servers = [IceServer(urls=["nonsense:somewhere"])]
    async with start_agent():
        await hub.online()
        await hub.call()
        await hub.leg()


async def test_where_only_a_relay_may_be_used_and_none_answers_the_call_ends(
    hub: FakeHub, start_agent: StartAgent
) -> None:
    hub.ice_transport_policy = IceTransportPolicy.RELAY
    async with start_agent(timings=replace(QUICK, renewal=RenewalLimits(give_up_s=0.2))) as agent:
        await hub.online()
        call_id = await hub.call()
        assert (await hub.received(CallEnd)).call_id == call_id
        assert agent.state.state is State.IDLE


async def test_a_bug_in_one_call_leaves_the_device_free_for_the_next(
    hub: FakeHub, start_agent: StartAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def break_down(media: CallMedia) -> None:
        raise RuntimeError("a bug")

    async with start_agent():
        await hub.online()
        with monkeypatch.context() as broken:
            broken.setattr(CallMedia, "run", break_down)
            await hub.call()
            await hub.received(CallEnd)
        await hub.call()
        await hub.leg()


async def test_the_switch_for_echo_counts_at_once_in_the_running_call(
    hub: FakeHub, start_agent: StartAgent
) -> None:
    house = HouseBackend(Room(delay_ms=60))

    def is_cleaned() -> bool:
        return len(house.sent) > 50 and bool((house.sent[-1] != house.taken[-1]).any())

    async with start_agent(backend=house) as agent:
        await hub.online()
        await hub.call()
        await hub.leg()
        await hub.until(is_cleaned)
        await hub.send(DeviceSettings(echo_cancellation=False))
        await hub.until(lambda: not agent.processing.is_on)
        seen = len(house.sent)
        await hub.until(lambda: len(house.sent) > seen + 25)
        assert all(
            (sent == taken).all() for sent, taken in zip(house.sent[seen:], house.taken[seen:], strict=True)
        )
