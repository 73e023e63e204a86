"""The device's receiving half, and the private names of aiortc 1.16 on which it leans."""

import asyncio
import inspect
import random
from importlib.metadata import version

import numpy as np
import pytest
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcrtpreceiver import RTCRtpReceiver

from agent.downlink import play
from protocol.audio import FRAME_SAMPLES, SAMPLE_RATE_HZ
from sound.opus import OpusEncoder, Samples
from sound.receiver import VoiceReceiver
from tests.agent.conftest import StartAgent
from tests.fakes.hub import FakeHub

pytestmark = pytest.mark.integration


def test_it_is_pinned_to_the_version_that_was_read() -> None:
    assert version("aiortc").startswith("1.16.")


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (
            RTCRtpReceiver,
            [
                "_RTCRtpReceiver__codecs",
                "_RTCRtpReceiver__decoder_thread",
                "_RTCRtpReceiver__rtcp_task",
                "_RTCRtpReceiver__started",
                "_run_rtcp",
            ],
        ),
        (RTCDtlsTransport, ["_register_rtp_receiver"]),
    ],
)
def test_the_names_we_lean_on_are_still_there(kind: type, names: list[str]) -> None:
    code = [function.__code__ for _, function in inspect.getmembers(kind, inspect.isfunction)]
    known = set(dir(kind)) | {name for c in code for name in c.co_names}
    assert not set(names) - known


def test_the_signatures_we_lean_on_are_still_the_same() -> None:
    handle = inspect.signature(RTCRtpReceiver._handle_rtp_packet)
    assert list(handle.parameters) == ["self", "packet", "arrival_time_ms"]
    assert list(inspect.signature(RTCRtpReceiver.receive).parameters) == ["self", "parameters"]
    assert "and self.__decoder_thread:" in inspect.getsource(RTCRtpReceiver._handle_rtp_packet)


async def test_it_plays_every_20_ms_and_says_nothing_while_the_voice_is_off() -> None:
    voice, heard, encoder = VoiceReceiver(), list[Samples](), OpusEncoder()
    playing = asyncio.create_task(play(voice, heard.append))
    await asyncio.sleep(0.1)
    assert heard == []
    tone = (8000 * np.sin(2 * np.pi * 500 * np.arange(10 * FRAME_SAMPLES) / SAMPLE_RATE_HZ)).astype(np.int16)
    for number, frame in enumerate(tone.reshape(-1, FRAME_SAMPLES)):
        voice.push(encoder.encode(frame), source=1, sequence_number=number, timestamp=number * FRAME_SAMPLES)
    async with asyncio.timeout(5):
        while len(heard) < 10:
            await asyncio.sleep(0.01)
    playing.cancel()
    await asyncio.gather(playing, return_exceptions=True)
    assert {frame.size for frame in heard} == {FRAME_SAMPLES}
    assert np.abs(heard[5].astype(int)).max() > 4000


async def test_after_lost_packets_the_device_waits_no_longer_than_before(
    hub: FakeHub, start_agent: StartAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance, receivers, push = random.Random(2), list[VoiceReceiver](), VoiceReceiver.push

    def lossy(receiver: VoiceReceiver, payload: bytes, **numbers: int) -> None:
        if receiver not in receivers:
            receivers.append(receiver)
        if chance.random() > 0.1:
            push(receiver, payload, **numbers)

    monkeypatch.setattr(VoiceReceiver, "push", lossy)
    async with start_agent():
        await hub.online()
        await hub.call()
        leg = await hub.leg()
        await leg.heard(seconds=3.0)
        (device,) = (receiver for receiver in receivers if receiver is not leg.voice)
        async with asyncio.timeout(10):
            while device.concealed_samples == 0 or device.ahead > 3 * FRAME_SAMPLES:
                await asyncio.sleep(0.05)
