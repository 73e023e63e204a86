"""One leg's life: connected, lost, back, closed, and told why."""

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest
from aiortc import RTCConfiguration, RTCSessionDescription

from media.door import LegState
from media.worker import MediaWorker
from protocol.errors import ErrorCode
from protocol.messages.calls import HUNG_UP, LOST_FOR_GOOD
from protocol.rtcp import CALL_OVER, goodbye_reason
from protocol.worker import (
    CallClose,
    LegOffer,
)
from tests.fakes.connection import PeerConnection
from tests.fakes.door import FakeDoor
from tests.fakes.peer import RealPeer, decoded, loudest_hz

pytestmark = pytest.mark.unit


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
        closed = await door.wait_for("leg_state", lambda told: told.state is LegState.CLOSED)
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


async def test_a_connection_whose_consent_runs_out_while_it_is_heard_again_is_no_hang_up(
    worker: MediaWorker, door: FakeDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aioice.ice.CONSENT_INTERVAL", 0.1)
    monkeypatch.setattr("aioice.ice.CONSENT_FAILURES", 2)
    async with RealPeer(worker, door) as anna:
        await anna.connect()
        await door.wait_for("leg_state", lambda told: told.state is LegState.CONNECTED)
        ice = anna.connection.getSenders()[0].transport.transport._connection
        monkeypatch.setattr(ice, "request_received", lambda *_: None)
        await door.wait_for("leg_state", lambda told: told.state is LegState.LOST)
        monkeypatch.undo()
        async with RealPeer(worker, door) as back:
            back.leg_id, back.participant_id = anna.leg_id, anna.participant_id
            await back.connect()
            await door.wait_for(
                "leg_state", lambda told: door.states(anna.leg_id).count(LegState.CONNECTED) == 2
            )
        assert door.states(anna.leg_id)[:3] == [LegState.CONNECTED, LegState.LOST, LegState.CONNECTED]


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
