"""One leg and the worker: tones, clips, captures, offers good and bad, legs that are lost."""

import asyncio
import socket
from pathlib import Path
from uuid import uuid4

import pytest
from aiortc import RTCConfiguration, RTCSessionDescription

from media.connection import guard
from media.door import LegState
from media.worker import MediaWorker
from protocol.errors import ErrorCode
from protocol.messages import HUNG_UP, LOST_FOR_GOOD, IceServer
from protocol.rtcp import CALL_OVER, goodbye_reason
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
from tests.fakes.connection import PeerConnection
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
            while level_db(await anna.listen(0.5), 2000) > -40:
                pass
        assert level_db(await anna.listen(0.5), 1000) > -15


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


async def test_a_leg_whose_packets_stop_is_lost_comes_back_and_is_closed_in_the_end(
    worker: MediaWorker, door: FakeDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with RealPeer(worker, door) as anna:
        await anna.connect()
        await door.wait_for("leg_state", lambda told: told.state is LegState.CONNECTED)
        way = anna.connection.getSenders()[0].transport
        send = way._send_rtp
        monkeypatch.setattr(way, "_send_rtp", _send_nothing)
        await door.wait_for("leg_state", lambda told: told.state is LegState.LOST)
        monkeypatch.setattr(way, "_send_rtp", send)
        await door.wait_for("leg_state", lambda told: door.states(anna.leg_id).count(LegState.CONNECTED) == 2)
        monkeypatch.setattr(way, "_send_rtp", _send_nothing)
        closed = await door.wait_for("leg_state", lambda told: told.state is LegState.CLOSED)
        assert closed.reason == LOST_FOR_GOOD
        assert worker.exchange.leg_count == 0


async def _send_nothing(data: bytes) -> None:
    """The way to the worker is gone."""


async def test_a_microphone_that_is_off_does_not_close_the_leg(worker: MediaWorker, door: FakeDoor) -> None:
    async with RealPeer(worker, door) as anna:
        await anna.connect()
        await door.wait_for("leg_state", lambda told: told.state is LegState.CONNECTED)
        await asyncio.sleep(0.5)
        anna.microphone.hold()
        await asyncio.sleep(4.5)
        assert door.states(anna.leg_id)[-1] is LegState.CONNECTED
        anna.microphone.resume()
        await asyncio.sleep(0.3)
        assert worker.exchange.leg_count == 1


async def test_the_worker_says_again_and_again_whom_it_hears(worker: MediaWorker, door: FakeDoor) -> None:
    call_id = uuid4()
    async with RealPeer(worker, door) as anna, RealPeer(worker, door) as ben:
        for peer in (anna, ben):
            await peer.connect(call_id=call_id)
            await door.wait_for("leg_state", lambda told, leg_id=peer.leg_id: told.leg_id == leg_id)  # type: ignore[misc]
        worker.exchange.tell_heard()
        worker.exchange.tell_heard()  # left out, since the first one still waits
        told = await door.wait_for("legs_heard")
        assert told.heard == {anna.participant_id: True, ben.participant_id: True}
        ben.microphone.stop()
        await ben.connection.close()
        await door.wait_for("leg_state", lambda told: told.state is LegState.CLOSED)
        worker.exchange.tell_heard()
        await door.wait_for("legs_heard", lambda told: told.heard == {anna.participant_id: True})
        assert len(door.all("legs_heard")) == 2


async def test_a_leg_that_never_speaks_is_closed(worker: MediaWorker, door: FakeDoor) -> None:
    async with RealPeer(worker, door) as anna:
        await anna.send_offer(await anna.offer(), call_id=None)
        closed = await door.wait_for("leg_state")
        assert (closed.state, closed.reason) == (LegState.CLOSED, "no audio arrived")


async def test_a_leg_that_hangs_up_is_closed_at_once(worker: MediaWorker, door: FakeDoor) -> None:
    async with RealPeer(worker, door) as anna:
        await anna.connect()
        await door.wait_for("leg_state", lambda told: told.state is LegState.CONNECTED)
        await anna.close()
        closed = await door.wait_for("leg_state", lambda told: told.state is LegState.CLOSED, timeout_s=2)
        assert closed.reason == HUNG_UP


async def test_a_leg_that_only_listens_is_connected(worker: MediaWorker, door: FakeDoor) -> None:
    connection = PeerConnection(RTCConfiguration(iceServers=[]))
    connection.addTransceiver("audio", direction="recvonly")
    await connection.setLocalDescription(await connection.createOffer())
    leg_id = uuid4()
    sdp = connection.localDescription.sdp
    await worker.handle(LegOffer(leg_id=leg_id, sdp=sdp, ice_servers=[], reply_channel="c"))
    answer = (await door.wait_for("answer")).sdp
    await connection.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
    await door.wait_for("leg_state", lambda told: told.state is LegState.CONNECTED)
    await connection.close()


async def test_a_new_connection_takes_the_place_of_the_old_in_the_same_recording(
    worker: MediaWorker, door: FakeDoor, recordings: Path
) -> None:
    call_id = uuid4()
    async with (
        RealPeer(worker, door, frequency_hz=440) as anna,
        RealPeer(worker, door, frequency_hz=440) as anna_again,
        RealPeer(worker, door, frequency_hz=1000) as ben,
    ):
        anna_again.leg_id, anna_again.participant_id = anna.leg_id, anna.participant_id
        await anna.connect(call_id=call_id, recording_name="anna.opus")
        await ben.connect(call_id=call_id, recording_name="ben.opus")
        await ben.listen(0.7)
        await anna_again.connect(call_id=call_id, recording_name="anna.opus")
        await anna_again.listen(0.3)
        heard = await ben.listen(1.0)
        assert loudest_hz(heard) == pytest.approx(440, abs=3)
        await anna.close()
        await asyncio.sleep(0.3)
        assert worker.exchange.leg_count == 2
        assert door.states(anna.leg_id) == [LegState.CONNECTED]
        await worker.handle(CallClose(call_id=call_id))
        await door.wait_for("recording_finished", lambda told: told.recording.name == "ben.opus")
    assert sorted(path.name for path in recordings.iterdir()) == ["anna.opus", "ben.opus"]
    samples = decoded(door.sound(recordings, "anna.opus"))
    assert loudest_hz(samples) == pytest.approx(440, abs=3)


@pytest.mark.parametrize("ending", ["ended", "moved", "worker stops"])
async def test_a_device_hears_whether_its_call_ended_or_may_go_on_elsewhere(
    worker: MediaWorker, door: FakeDoor, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    call_id, said = uuid4(), list[str]()
    async with RealPeer(worker, door) as device:
        await device.connect(call_id=call_id)
        await door.wait_for("leg_state", lambda told: told.state is LegState.CONNECTED)
        transport = device.connection.getTransceivers()[0].receiver.transport
        read = transport._handle_rtcp_data

        async def listen(data: bytes) -> None:
            said.append(goodbye_reason(data))
            await read(data)

        monkeypatch.setattr(transport, "_handle_rtcp_data", listen)
        if ending == "worker stops":
            await worker.aclose()
        else:
            await worker.close_call(str(call_id), is_over=ending == "ended")
        async with asyncio.timeout(5):
            while transport.state != "closed":
                await asyncio.sleep(0.01)
    assert (CALL_OVER in said) is (ending == "ended")


async def test_a_participant_who_comes_back_goes_on_in_his_file(
    worker: MediaWorker, door: FakeDoor, recordings: Path
) -> None:
    call_id = uuid4()
    async with (
        RealPeer(worker, door, frequency_hz=440) as anna,
        RealPeer(worker, door, frequency_hz=440) as anna_again,
        RealPeer(worker, door, frequency_hz=1000) as ben,
    ):
        anna_again.leg_id, anna_again.participant_id = anna.leg_id, anna.participant_id
        await anna.connect(call_id=call_id, recording_name="anna.opus")
        await ben.connect(call_id=call_id, recording_name="ben.opus")
        await ben.listen(0.7)
        await anna.close()
        await door.wait_for("leg_state", lambda told: told.state is LegState.CLOSED)
        assert not door.all("recording_finished")
        await anna_again.connect(call_id=call_id, recording_name="anna.opus")
        await ben.listen(0.5)
        await worker.handle(CallClose(call_id=call_id))
        await door.wait_for("recording_finished", lambda told: told.recording.name == "ben.opus")
    assert len(door.all("recording_finished")) == 2
    assert sorted(path.name for path in recordings.iterdir()) == ["anna.opus", "ben.opus"]


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


async def test_a_draining_worker_takes_no_new_legs_and_ends_with_its_files_closed(
    worker: MediaWorker, door: FakeDoor, recordings: Path
) -> None:
    call_id = uuid4()
    async with RealPeer(worker, door) as anna, RealPeer(worker, door) as ben:
        await anna.connect(call_id=call_id, recording_name="anna.opus")
        await ben.connect(call_id=call_id, recording_name="ben.opus")
        await ben.listen(0.5)
        await worker.exchange.drain(0.2)
        await worker.handle(LegOffer(leg_id=uuid4(), sdp="v=0", ice_servers=[], reply_channel="c"))
        assert (await door.wait_for("error")).code is ErrorCode.NO_WORKER
        await asyncio.gather(worker.aclose(), worker.aclose())
    assert len(door.all("recording_finished")) == 2
    assert sorted(path.name for path in recordings.iterdir()) == ["anna.opus", "ben.opus"]
    assert worker.exchange.leg_count == 0


async def test_the_same_offer_again_gets_the_same_answer_and_no_second_connection(
    worker: MediaWorker, door: FakeDoor
) -> None:
    async with RealPeer(worker, door) as anna:
        sdp = await anna.offer()
        offer = LegOffer(
            leg_id=anna.leg_id,
            call_id=None,
            participant_id=anna.participant_id,
            sdp=sdp,
            ice_servers=[],
            reply_channel="test",
            request_id="once",
        )
        await worker.handle(offer)
        first = await door.wait_for("answer", lambda told: told.request_id == "once")
        await worker.handle(offer.model_copy(update={"reply_channel": "another socket"}))
        again = await door.wait_for("answer", lambda told: told.reply_channel == "another socket")
        assert again.sdp == first.sdp
        await anna.connection.setRemoteDescription(RTCSessionDescription(sdp=first.sdp, type="answer"))
        await door.wait_for("leg_state", lambda told: told.state is LegState.CONNECTED)


async def test_a_connection_whose_consent_ran_out_waits_for_a_new_offer(
    worker: MediaWorker, door: FakeDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aioice.ice.CONSENT_INTERVAL", 0.1)
    monkeypatch.setattr("aioice.ice.CONSENT_FAILURES", 4)
    async with RealPeer(worker, door) as anna:
        await anna.connect()
        await door.wait_for("leg_state", lambda told: told.state is LegState.CONNECTED)
        way = anna.connection.getSenders()[0].transport
        monkeypatch.setattr(way, "_send_rtp", _send_nothing)
        monkeypatch.setattr(way.transport._connection, "request_received", lambda *_: None)
        await door.wait_for("leg_state", lambda told: told.state is LegState.LOST)
        peer = worker.exchange._legs[anna.leg_id]._peer
        async with asyncio.timeout(5):
            while peer is not None and peer.state not in ("failed", "closed"):
                await asyncio.sleep(0.02)
        monkeypatch.undo()
        async with RealPeer(worker, door) as back:
            back.leg_id, back.participant_id = anna.leg_id, anna.participant_id
            await back.connect()
            await door.wait_for(
                "leg_state", lambda told: door.states(anna.leg_id).count(LegState.CONNECTED) == 2
            )
            assert LegState.CLOSED not in door.states(anna.leg_id)
