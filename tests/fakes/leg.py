"""The worker's end of a call: answers an offer, plays a tone, keeps what it hears."""

import asyncio
import time

import av
import numpy as np
import numpy.typing as npt
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError

from agent import downlink
from protocol.audio import FRAME_SAMPLES, SAMPLE_RATE_HZ
from protocol.rtcp import CALL_OVER, goodbye

Samples = npt.NDArray[np.int16]


class ToneTrack(MediaStreamTrack):
    kind = "audio"

    def __init__(self, hz: float) -> None:
        super().__init__()
        self._hz, self._position, self._start_at = hz, 0, time.monotonic()

    async def recv(self) -> av.AudioFrame:
        if self.readyState != "live":
            raise MediaStreamError
        await asyncio.sleep(max(0.0, self._start_at + self._position / SAMPLE_RATE_HZ - time.monotonic()))
        at_s = np.arange(self._position, self._position + FRAME_SAMPLES) / SAMPLE_RATE_HZ
        samples = (8000 * np.sin(2 * np.pi * self._hz * at_s)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts = SAMPLE_RATE_HZ, self._position
        self._position += FRAME_SAMPLES
        return frame


class FakeLeg:
    def __init__(self, *, tone_hz: float) -> None:
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._connection.addTrack(ToneTrack(tone_hz))
        self._connection.on("track", self._on_track)
        self._connection.on("connectionstatechange", self._on_state)
        self._settled = asyncio.Event()
        self._closed = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self._heard: list[Samples] = []
        self._heard_more = asyncio.Event()
        # As a worker hears it: what the device does not send in a pause lasts as long as the pause.
        self.voice = downlink.take_over(self._connection.getTransceivers()[0].receiver)
        self.offer_sdp = ""

    async def answer(self, offer_sdp: str) -> str:
        self.offer_sdp = offer_sdp
        await self._connection.setRemoteDescription(RTCSessionDescription(sdp=offer_sdp, type="offer"))
        await self._connection.setLocalDescription(await self._connection.createAnswer())
        return self._connection.localDescription.sdp

    async def connected(self) -> None:
        await asyncio.wait_for(self._settled.wait(), 15)

    async def closed(self) -> None:
        """The other end said goodbye."""
        await asyncio.wait_for(self._closed.wait(), 15)

    async def heard(self, *, seconds: float, skip_s: float = 0.0) -> Samples:
        """The next `seconds` of the device's microphone, after `skip_s` of it."""
        start = sum(map(len, self._heard)) + int(skip_s * SAMPLE_RATE_HZ)
        end = start + int(seconds * SAMPLE_RATE_HZ)
        async with asyncio.timeout(20):
            while sum(map(len, self._heard)) < end:
                self._heard_more.clear()
                await self._heard_more.wait()
        return np.concatenate(self._heard)[start:end]

    def everything_heard(self) -> Samples:
        return np.concatenate(self._heard)

    async def end(self) -> None:
        """As the worker does when the call has ended."""
        sender = self._connection.getTransceivers()[0].sender
        await sender.transport._send_rtp(goodbye(sender._ssrc, CALL_OVER))
        await self.close()

    async def close(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
        await self._connection.close()
        # A connection closed while connecting ends at its next check, which aioice makes every 20 ms.
        await asyncio.sleep(0.05)

    def _on_state(self) -> None:
        state = self._connection.connectionState
        if state == "connected":
            self._settled.set()
        elif state in ("closed", "failed"):
            self._closed.set()

    def _on_track(self, track: MediaStreamTrack) -> None:
        self._reader = asyncio.create_task(downlink.play(self.voice, self._hear))

    def _hear(self, samples: Samples) -> None:
        self._heard.append(samples)
        self._heard_more.set()


def tone_share(samples: Samples, hz: float) -> float:
    """How much of the energy lies within 15 Hz of `hz`, 0 .. 1."""
    power = np.abs(np.fft.rfft(samples.astype(np.float64) * np.hanning(len(samples)))) ** 2
    frequencies = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE_HZ)
    near = power[np.abs(frequencies - hz) < 15].sum()
    return float(near / max(power.sum(), 1e-9))


def level_db(samples: Samples) -> float:
    """Root mean square in dB of full scale; -120 for silence."""
    rms = np.sqrt(np.mean((samples.astype(np.float64) / 32768) ** 2)) if len(samples) else 0.0
    return float(20 * np.log10(max(rms, 1e-6)))
