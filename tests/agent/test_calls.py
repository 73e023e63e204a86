"""Calls with a real peer connection and real sound."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from cryptography.hazmat.primitives import hashes
from structlog.testing import capture_logs

from agent.callmedia import CallMedia
from agent.renewal import RenewalLimits
from agent.state import State
from protocol.errors import ErrorCode
from protocol.messages import (
    LOST_FOR_GOOD,
    CallAccept,
    CallDecline,
    CallEnd,
    CallInvited,
    CallMoved,
    CallRinging,
    CallRole,
    CallState,
    CallStateMessage,
    DeviceSettings,
    IceServer,
    IceTransportPolicy,
    Stats,
    WebrtcOffer,
)
from tests.agent.conftest import MICROPHONE_HZ, QUICK, Eventually, StartAgent
from tests.agent.sounds import read_wav, write_wav
from tests.fakes.hub import FakeHub
from tests.fakes.leg import level_db, tone_share
from tests.house.backend import HouseBackend
from tests.house.room import Room
from tests.network.stalls import Stalls

pytestmark = pytest.mark.integration

QUICK_TO_NOTICE = replace(QUICK, renewal=RenewalLimits(silence_s=1.0), stats_interval_s=0.5)


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
    async with start_agent(timings=QUICK_TO_NOTICE):
        await hub.online()
        await hub.call()
        await (await hub.leg()).close()
        leg = await hub.leg(2)
        assert tone_share(await leg.heard(seconds=0.5, skip_s=0.3), MICROPHONE_HZ) > 0.7


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
