"""Chromium as it is: its offer with video and a data channel, complete or trickled, against a real worker."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from playwright.async_api import Page, async_playwright

from media.door import LegState
from media.worker import MediaWorker
from protocol.worker import CallClose, LegCandidate, LegOffer, ToneStart
from tests.fakes.door import FakeDoor
from tests.fakes.peer import RealPeer, level_db, loudest_hz

pytestmark = pytest.mark.e2e

FLAGS = [
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--no-sandbox",
    "--disable-background-networking",
]

# The page sends a tone of 600 Hz and measures what it hears.
SCRIPT = """
async (trickle) => {
  const context = new AudioContext();
  const oscillator = new OscillatorNode(context, {frequency: 600});
  const microphone = new MediaStreamAudioDestinationNode(context);
  oscillator.connect(microphone);
  oscillator.start();
  await navigator.mediaDevices.getUserMedia({audio: true});  // without it, addresses hide behind mDNS names
  const peer = window.peer = new RTCPeerConnection();
  peer.addTrack(microphone.stream.getAudioTracks()[0], microphone.stream);
  peer.addTransceiver("video", {direction: "recvonly"});
  peer.createDataChannel("x");
  peer.onconnectionstatechange = () => window.tell("state", peer.connectionState);
  peer.onicecandidate = ({candidate}) => {
    if (trickle) window.tell("candidate", candidate && candidate.toJSON());
    else if (!candidate) window.tell("offer", peer.localDescription.sdp);
  };
  peer.ontrack = ({streams, track}) => {
    const element = new Audio();
    element.srcObject = new MediaStream([track]);
    element.play();
    const source = new MediaStreamAudioSourceNode(context, {mediaStream: element.srcObject});
    window.analyser = new AnalyserNode(context, {fftSize: 8192, smoothingTimeConstant: 0});
    source.connect(window.analyser);
    window.rate = context.sampleRate;
  };
  await peer.setLocalDescription();
  if (trickle) window.tell("offer", peer.localDescription.sdp);
}
"""

LOUDEST = """
() => {
  const bins = new Float32Array(analyser.frequencyBinCount);
  analyser.getFloatFrequencyData(bins);
  let best = 0;
  bins.forEach((level, bin) => { if (level > bins[best]) best = bin; });
  return bins[best] > -60 ? best * rate / analyser.fftSize : 0;
}
"""


@pytest_asyncio.fixture
async def page() -> AsyncIterator[Page]:
    """An empty page of a secure origin."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\nConnection: close\r\n\r\n<p>x"
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        page = await browser.new_page()
        await page.goto(f"http://localhost:{server.sockets[0].getsockname()[1]}/")
        yield page
        await browser.close()


async def connect(
    page: Page, worker: MediaWorker, door: FakeDoor, *, trickle: bool, call_id: UUID | None
) -> UUID:
    leg_id, told = uuid4(), asyncio.Queue[tuple[str, object]]()
    await page.expose_function("tell", lambda name, value: told.put_nowait((name, value)))
    await page.evaluate(SCRIPT, trickle)
    waiting = []
    while True:
        name, value = await asyncio.wait_for(told.get(), 15)
        if name == "candidate":
            fields = value if isinstance(value, dict) else {}
            command = LegCandidate(
                leg_id=leg_id,
                candidate=fields.get("candidate"),
                sdp_mid=fields.get("sdpMid"),
                sdp_m_line_index=fields.get("sdpMLineIndex"),
            )
            await worker.handle(command)
        elif name == "offer":
            offer = LegOffer(
                leg_id=leg_id, call_id=call_id, sdp=str(value), ice_servers=[], reply_channel="c"
            )
            await worker.handle(offer)
            waiting.append(asyncio.create_task(answer(page, door)))
        elif value == "connected":
            break
    await asyncio.gather(*waiting)
    await door.wait_for("leg_state", lambda t: t.leg_id == leg_id and t.state is LegState.CONNECTED)
    return leg_id


async def answer(page: Page, door: FakeDoor) -> None:
    sdp = (await door.wait_for("answer", lambda told: told.reply_channel == "c")).sdp
    await page.evaluate("(sdp) => peer.setRemoteDescription({type: 'answer', sdp})", sdp)


async def heard_hz(page: Page, expected_hz: float) -> float:
    """What the page hears loudest, once it is what was expected, or after five seconds."""
    found = 0.0
    for _ in range(25):
        found = await page.evaluate(LOUDEST)
        if abs(found - expected_hz) < 15:
            break
        await asyncio.sleep(0.2)
    return found


@pytest.mark.parametrize("trickle", [False, True])
async def test_chromium_and_a_device_hear_each_other(
    worker: MediaWorker, door: FakeDoor, page: Page, trickle: bool
) -> None:
    call_id = uuid4()
    leg_id = await connect(page, worker, door, trickle=trickle, call_id=call_id)
    async with RealPeer(worker, door, frequency_hz=1000) as device:
        await device.connect(call_id=call_id)
        assert await heard_hz(page, 1000) == pytest.approx(1000, abs=15)
        heard = await device.listen(1.0)
        assert loudest_hz(heard) == pytest.approx(600, abs=5)
        assert level_db(heard, 1000) < -40
        stats = worker.exchange.stats()[leg_id]
        assert stats.packets_received > 40
        await worker.handle(CallClose(call_id=call_id))
        await door.wait_for("leg_state", lambda told: told.leg_id == leg_id and told.state is LegState.CLOSED)


async def test_chromium_hears_its_test_tone(worker: MediaWorker, door: FakeDoor, page: Page) -> None:
    leg_id = await connect(page, worker, door, trickle=True, call_id=None)
    await worker.handle(ToneStart(leg_id=leg_id, frequency_hz=440, reply_channel="c"))
    assert await heard_hz(page, 440) == pytest.approx(440, abs=15)
