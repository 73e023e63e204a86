"""`python -m media` as it stands, over a real channel layer."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio
from aiortc import RTCConfiguration, RTCSessionDescription
from av import AudioFrame
from channels.layers import get_channel_layer

from calls.workers.placement import worker_is_alive
from common.push import apush, group_worker
from common.servers import server_addresses
from protocol.worker import LegOffer, ToneStart
from tests.fakes.connection import PeerConnection
from tests.fakes.peer import ToneTrack

pytestmark = pytest.mark.integration

WORKER_ID = f"test-{uuid4().hex[:8]}"


@pytest_asyncio.fixture
async def process() -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "media", "--worker-id", WORKER_ID)
    try:
        async with asyncio.timeout(60):
            while not await asyncio.to_thread(worker_is_alive, WORKER_ID):
                assert process.returncode is None
                await asyncio.sleep(0.1)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_it_answers_an_offer_and_goes_when_it_is_told_to(process: asyncio.subprocess.Process) -> None:
    layer = get_channel_layer()
    channel, leg_id = await layer.new_channel(), uuid4()
    peer = PeerConnection(RTCConfiguration(iceServers=[]))
    peer.addTrack(ToneTrack(440))
    await peer.setLocalDescription(await peer.createOffer())
    offer = LegOffer(
        leg_id=leg_id, sdp=peer.localDescription.sdp, ice_servers=[], reply_channel=channel, request_id="7"
    )
    await apush(group_worker(WORKER_ID), offer)
    told = json.loads((await asyncio.wait_for(layer.receive(channel), 20))["text"])
    assert (told["type"], told["reply_to"]) == ("webrtc_answer", "7")
    await peer.setRemoteDescription(RTCSessionDescription(sdp=told["sdp"], type="answer"))
    await apush(group_worker(WORKER_ID), ToneStart(leg_id=leg_id, frequency_hz=440, reply_channel=channel))
    heard = await asyncio.wait_for(peer.getReceivers()[0].track.recv(), 20)
    assert isinstance(heard, AudioFrame)
    assert heard.samples == 960
    await peer.close()
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 15) == 0
    assert not await asyncio.to_thread(worker_is_alive, WORKER_ID)


async def test_it_says_which_hub_it_joins_and_that_it_compiles_and_ctrl_c_ends_it_meanwhile(
    tmp_path: Path,
) -> None:
    cold = dict(os.environ) | {"NUMBA_CACHE_DIR": str(tmp_path)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "media", "--processes", "1", env=cold, stdout=PIPE, stderr=STDOUT
    )
    assert process.stdout
    said = b""
    async with asyncio.timeout(60):
        while b"Compiling what carries the audio" not in said:
            line = await process.stdout.readline()
            assert line, said
            said += line
    process.send_signal(signal.SIGINT)
    rest, _ = await asyncio.wait_for(process.communicate(), 5)
    assert process.returncode == -signal.SIGINT
    assert b"Traceback" not in said + rest
    [joins] = [line for line in said.splitlines() if b"joins the hub" in line]
    for words in (*server_addresses(), os.environ["HUB_DATA_DIR"]):
        assert words.encode() in joins
