"""One leg and the worker: tones, clips, captures, statistics, offers good and bad."""

import asyncio
import socket
from pathlib import Path
from uuid import uuid4

import pytest
from aiortc import RTCSessionDescription

from media.connection import guard
from media.door import LegState
from media.worker import MediaWorker
from protocol.errors import ErrorCode
from protocol.messages.connection import IceServer
from protocol.worker import (
    CallClose,
    CaptureStart,
    CaptureStop,
    LegCandidate,
    LegClose,
    LegOffer,
    PlayClip,
    ToneStart,
    ToneStop,
    WorkerCommand,
)
from tests.fakes.door import FakeDoor
from tests.fakes.peer import RealPeer, decoded, level_db, loudest_hz, write_tone

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("frequency_hz", [330, 880])
async def test_a_lone_leg_hears_its_test_tone_until_it_stops(
    worker: MediaWorker, door: FakeDoor, frequency_hz: int
) -> None:
    async with RealPeer(worker, door) as anna:
        await anna.connect()
        await worker.handle(ToneStart(leg_id=anna.leg_id, frequency_hz=frequency_hz, reply_channel="test"))
        heard = await anna.listen(1.0)
        assert loudest_hz(heard[24_000:]) == pytest.approx(frequency_hz, abs=3)
        await worker.handle(ToneStop(leg_id=anna.leg_id))
        await asyncio.sleep(0.6)
        anna.forget()
        await asyncio.sleep(0.3)
        assert anna.heard().size == 0


async def test_a_clip_plays_into_a_call_beside_the_voices_and_then_they_are_forwarded_again(
    worker: MediaWorker, door: FakeDoor, tmp_path: Path
) -> None:
    call_id = uuid4()
    clip = write_tone(tmp_path / "clip.wav", frequency_hz=2000, seconds=1.5)
    async with (
        RealPeer(worker, door, frequency_hz=440) as anna,
        RealPeer(worker, door, frequency_hz=1000) as ben,
    ):
        await anna.connect(call_id=call_id)
        await ben.connect(call_id=call_id)
        await asyncio.gather(anna.listen(0.5), ben.listen(0.5))
        await worker.handle(PlayClip(leg_id=anna.leg_id, clip_path=str(clip), reply_channel="test"))
        await asyncio.sleep(0.4)
        heard_by_anna, heard_by_ben = await asyncio.gather(anna.listen(0.8), ben.listen(0.8))
        for heard, other_hz, own_hz in ((heard_by_anna, 1000, 440), (heard_by_ben, 440, 1000)):
            assert level_db(heard, 2000) > -15
            assert level_db(heard, other_hz) > -15
            assert level_db(heard, own_hz) < -40
        async with asyncio.timeout(10):
            heard = await anna.listen(0.5)
            while level_db(heard, 2000) > -40 or level_db(heard, 1000) < -15:
                heard = await anna.listen(0.5)


async def test_three_in_a_call_hear_the_two_others(worker: MediaWorker, door: FakeDoor) -> None:
    call_id, pitches = uuid4(), (440, 1000, 1700)
    peers = [RealPeer(worker, door, frequency_hz=pitch) for pitch in pitches]
    for peer in peers:
        await peer.connect(call_id=call_id)
    for peer in peers:
        await door.wait_for("leg_state", lambda told, leg_id=peer.leg_id: told.leg_id == leg_id)  # type: ignore[misc]
    await asyncio.sleep(0.5)
    for peer, heard in zip(peers, await asyncio.gather(*(peer.listen(1.0) for peer in peers)), strict=True):
        for pitch in pitches:
            own = pitch == peer.microphone.frequency_hz
            assert (level_db(heard, pitch) > -20) is not own
            assert not own or level_db(heard, pitch) < -40
    for peer in peers:
        await peer.close()


async def test_what_a_leg_says_is_captured(worker: MediaWorker, door: FakeDoor, captures: Path) -> None:
    async with RealPeer(worker, door, frequency_hz=700) as anna:
        await anna.connect()
        await door.wait_for("leg_state")
        await worker.handle(CaptureStart(leg_id=anna.leg_id, reply_channel="test"))
        await asyncio.sleep(1.2)
        await worker.handle(
            CaptureStop(leg_id=anna.leg_id, language="de", reply_channel="test", request_id="7")
        )
        told = await door.wait_for("capture_finished")
    samples = decoded(told.path)
    assert told.path.parent == captures
    assert (told.request_id, told.language) == ("7", "de")
    assert told.duration_s == pytest.approx(1.2, abs=0.3)
    assert samples.size / 48_000 == pytest.approx(told.duration_s, abs=0.01)
    assert loudest_hz(samples[4800:]) == pytest.approx(700, abs=3)


async def test_a_capture_that_nobody_stopped_leaves_no_file(
    worker: MediaWorker, door: FakeDoor, captures: Path
) -> None:
    async with RealPeer(worker, door) as anna:
        await anna.connect()
        await door.wait_for("leg_state")
        await worker.handle(CaptureStart(leg_id=anna.leg_id, reply_channel="test"))
        await asyncio.sleep(0.7)
        await worker.handle(LegClose(leg_id=anna.leg_id))
        await door.wait_for("leg_state", lambda told: told.state is LegState.CLOSED)
    await worker.aclose()
    assert not list(captures.iterdir())


async def test_trickled_candidates_are_served(worker: MediaWorker, door: FakeDoor) -> None:
    async with RealPeer(worker, door) as anna:
        await anna.connect(trickle=True)
        await door.wait_for("leg_state", lambda told: told.state is LegState.CONNECTED)


async def test_a_complete_offer_is_served(worker: MediaWorker, door: FakeDoor) -> None:
    async with RealPeer(worker, door) as anna:
        answer = await anna.connect()
        await door.wait_for("leg_state", lambda told: told.state is LegState.CONNECTED)
    assert "a=candidate:" in answer
    assert "useinbandfec=1;usedtx=1;stereo=0" in answer
    assert "PCMU" not in answer


async def test_video_and_data_are_refused_and_the_audio_still_flows(
    worker: MediaWorker, door: FakeDoor
) -> None:
    async with RealPeer(worker, door) as anna:
        offer = await anna.offer()
        extra = (
            "m=video 9 UDP/TLS/RTP/SAVPF 97\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=rtpmap:97 VP8/90000\r\n"
            "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:2\r\n"
        )
        answer = await anna.send_offer(offer + extra, call_id=None)
        assert "m=video 0 " in answer
        assert "m=application 0 " in answer
        only_audio = answer[: answer.index("m=video")]
        await anna.connection.setRemoteDescription(RTCSessionDescription(sdp=only_audio, type="answer"))
        await door.wait_for("leg_state", lambda told: told.state is LegState.CONNECTED)


@pytest.mark.parametrize("sdp", ["hello", "x" * 1_000_000, "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 97\r\n"])
async def test_a_bad_offer_gets_words_and_leaves_nothing(
    worker: MediaWorker, door: FakeDoor, sdp: str
) -> None:
    offer = LegOffer(
        leg_id=uuid4(), call_id=uuid4(), sdp=sdp, ice_servers=[], reply_channel="c", request_id="9"
    )
    await worker.handle(offer)
    told = await door.wait_for("error")
    assert (told.code, told.reply_channel, told.request_id) == (ErrorCode.BAD_SDP, "c", "9")
    assert told.message.endswith(".")
    assert worker.exchange.leg_count == 0
    assert not door.all("leg_state")


async def test_a_broken_offer_that_only_aiortc_understands_gets_words_too(
    worker: MediaWorker, door: FakeDoor
) -> None:
    async with RealPeer(worker, door) as anna:
        sdp = (await anna.offer()).replace("a=setup:actpass", "a=setup:nonsense")
        await worker.handle(
            LegOffer(leg_id=anna.leg_id, call_id=None, sdp=sdp, ice_servers=[], reply_channel="c")
        )
        assert (await door.wait_for("error")).code is ErrorCode.BAD_SDP
        assert worker.exchange.leg_count == 0


async def test_odd_ice_servers_are_left_out(worker: MediaWorker, door: FakeDoor) -> None:
    async with RealPeer(worker, door) as anna:
        servers = [
            IceServer(urls=["http://x", "stun:", "turn:a?transport=sctp:::"], username="u", credential="c")
        ]
        offer = LegOffer(leg_id=anna.leg_id, sdp=await anna.offer(), ice_servers=servers, reply_channel="c")
        await worker.handle(offer)
        await door.wait_for("answer")


async def test_a_failure_inside_leaves_no_half_made_leg(
    worker: MediaWorker, door: FakeDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError

    monkeypatch.setattr("media.leg.Peer", fail)
    await worker.handle(
        LegOffer(leg_id=uuid4(), call_id=uuid4(), sdp="v=0", ice_servers=[], reply_channel="c")
    )
    assert (await door.wait_for("error")).code is ErrorCode.INTERNAL
    assert worker.exchange.leg_count == 0


async def test_an_unknown_leg_has_no_connection(worker: MediaWorker, door: FakeDoor) -> None:
    leg_id = uuid4()
    commands: list[WorkerCommand] = [
        ToneStart(leg_id=leg_id, frequency_hz=440, reply_channel="c", request_id="tone"),
        PlayClip(leg_id=leg_id, clip_path="/nowhere", reply_channel="c", request_id="clip"),
        CaptureStart(leg_id=leg_id, reply_channel="c", request_id="start"),
        CaptureStop(leg_id=leg_id, language="en", reply_channel="c", request_id="stop"),
        ToneStop(leg_id=leg_id),
        LegCandidate(leg_id=leg_id, candidate="x"),
        LegClose(leg_id=leg_id),
        CallClose(call_id=uuid4()),
    ]
    for command in commands:
        await worker.handle(command)
    await door.wait_for("error", lambda told: told.request_id == "stop")
    assert [told.request_id for told in door.all("error")] == ["tone", "clip", "start", "stop"]
    assert {told.code for told in door.all("error")} == {ErrorCode.NO_CONNECTION}


async def test_a_clip_that_is_none_gets_words(worker: MediaWorker, door: FakeDoor, tmp_path: Path) -> None:
    (tmp_path / "clip.wav").write_text("no sound")
    async with RealPeer(worker, door) as anna:
        await anna.connect()
        for path in (tmp_path / "clip.wav", tmp_path / "missing.wav"):
            await worker.handle(
                PlayClip(leg_id=anna.leg_id, clip_path=str(path), reply_channel="c", request_id=path.name)
            )
            told = await door.wait_for("error", lambda told, name=path.name: told.request_id == name)  # type: ignore[misc]
            assert "clip" in told.message


async def test_stopping_a_microphone_that_was_not_started_gets_words(
    worker: MediaWorker, door: FakeDoor
) -> None:
    async with RealPeer(worker, door) as anna:
        await anna.connect()
        await worker.handle(CaptureStop(leg_id=anna.leg_id, language="en", reply_channel="c", request_id="1"))
        assert (await door.wait_for("error")).code is ErrorCode.NO_CONNECTION


async def test_odd_datagrams_do_not_end_a_call(worker: MediaWorker, door: FakeDoor) -> None:
    call_id = uuid4()
    async with RealPeer(worker, door) as anna, RealPeer(worker, door, frequency_hz=1000) as ben:
        answer = await anna.connect(call_id=call_id)
        await ben.connect(call_id=call_id)
        await ben.listen(0.3)
        before = guard.counters.datagrams_dropped
        strangers = guard.counters.strangers_dropped
        hosts = [
            line.split() for line in answer.splitlines() if line.startswith("a=candidate") and "." in line
        ]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for data in (
                b"",
                bytes(9000),
                b"\x80" * 9000,
                b"\x16",
                b"\x80",
                b"\xff" * 40,
                b"\x80\xc8" + bytes(30),
            ):
                stranger.sendto(data, (hosts[0][4], int(hosts[0][5])))
        heard = await ben.listen(1.0)
        assert loudest_hz(heard) == pytest.approx(440, abs=3)
        assert guard.counters.datagrams_dropped == before + 5
        assert guard.counters.strangers_dropped == strangers + 2
        assert door.states(anna.leg_id) == [LegState.CONNECTED]


async def test_it_measures_what_w3c_names(worker: MediaWorker, door: FakeDoor) -> None:
    call_id = uuid4()
    async with RealPeer(worker, door) as anna, RealPeer(worker, door, frequency_hz=1000) as ben:
        await anna.connect(call_id=call_id)
        await ben.connect(call_id=call_id)
        await ben.listen(2.5)
        stats = worker.exchange.stats()[anna.leg_id]
    assert stats.packets_received > 90
    assert stats.packets_sent > 90
    assert stats.packets_lost == 0
    assert stats.jitter_s is not None
    assert 0 < stats.jitter_s < 0.1
    assert stats.round_trip_time_s is not None
    assert 0 <= stats.round_trip_time_s < 0.5
