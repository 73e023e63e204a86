"""A program that talks to the hub as any client may: a WebSocket, an API token, aiortc."""

import asyncio
import json
import wave
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import numpy as np
import numpy.typing as npt
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaPlayer
from aiortc.mediastreams import MediaStreamError
from websockets.asyncio.client import ClientConnection, connect

from protocol.audio import SAMPLE_RATE_HZ

WAIT_S = 30
Samples = npt.NDArray[np.int16]


class Program:
    """`async with Program(url, token) as program`: welcomed, not yet connected for sound."""

    def __init__(self, hub_url: str, token: str) -> None:
        self._url = hub_url.replace("http", "ws", 1) + "/ws/hub/"
        self._token = token
        self._heard: list[Samples] = []
        self._more = asyncio.Condition()
        self._listener: asyncio.Task[None] | None = None
        self.peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.peer.on("track", self._on_track)
        self.peer.on("connectionstatechange", self._on_state)
        self._connected = asyncio.Event()
        self.hello_ack: dict[str, Any] = {}
        self.close_code: int | None = None

    async def __aenter__(self) -> Self:
        self._socket: ClientConnection = await connect(self._url)
        try:
            await self.say("hello", token=self._token)
            self.hello_ack = await self.hear("hello_ack")
        except BaseException:
            async with asyncio.timeout(WAIT_S):
                await self._socket.wait_closed()
            self.close_code = self._socket.close_code
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._listener is not None:
            self._listener.cancel()
        await self.peer.close()
        await self._socket.close()

    async def say(self, type_: str, **fields: Any) -> None:
        await self._socket.send(json.dumps({"type": type_, **fields}))

    async def hear(self, *types: str) -> dict[str, Any]:
        """The next message of one of these types; an error that was not asked for fails."""
        async with asyncio.timeout(WAIT_S):
            while True:
                message = json.loads(await self._socket.recv())
                if message["type"] in types:
                    return dict(message)
                if message["type"] == "error":
                    raise AssertionError(message)

    async def connect(self, microphone: MediaStreamTrack, *, trickle: bool = False) -> None:
        """Offer and answer. With `trickle` the offer holds no candidate and each follows by itself."""
        self.peer.addTrack(microphone)
        await self.peer.setLocalDescription(await self.peer.createOffer())
        sdp = self.peer.localDescription.sdp
        lines = sdp.splitlines(keepends=True)
        candidates = [line for line in lines if line.startswith("a=candidate:")]
        if trickle:
            sdp = "".join(x for x in lines if not x.startswith(("a=candidate:", "a=end-of-candidates")))
        await self.say("webrtc_offer", sdp=sdp, id="offer")
        answer = await self.hear("webrtc_answer")
        assert answer["reply_to"] == "offer"
        await self.peer.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))
        for line in candidates if trickle else ():
            await self.say("ice_candidate", candidate=line.strip()[2:], sdpMid="0", sdpMLineIndex=0)
        if trickle:
            await self.say("ice_candidate", candidate=None)
        async with asyncio.timeout(WAIT_S):
            await self._connected.wait()

    async def listen(self, seconds: float) -> Samples:
        """The next `seconds` that come from the hub, 48 kHz mono."""
        begin = sum(map(len, self._heard))
        async with asyncio.timeout(WAIT_S), self._more:
            await self._more.wait_for(lambda: sum(map(len, self._heard)) >= begin + seconds * SAMPLE_RATE_HZ)
        return np.concatenate(self._heard)[begin:]

    async def listen_out(self) -> Samples:
        """Everything that comes from now on, until it has been quiet for a second."""
        begin = self.heard_s()
        last_s = begin
        async with asyncio.timeout(WAIT_S):
            while last_s == begin or self.heard_s() != last_s:
                last_s = self.heard_s()
                await asyncio.sleep(1)
        return np.concatenate(self._heard)[round(begin * SAMPLE_RATE_HZ) :]

    def heard_s(self) -> float:
        """How much has come from the hub so far."""
        return sum(map(len, self._heard)) / SAMPLE_RATE_HZ

    def _on_state(self) -> None:
        if self.peer.connectionState == "connected":
            self._connected.set()

    def _on_track(self, track: MediaStreamTrack) -> None:
        self._listener = asyncio.create_task(self._listen(track), name="program listens")

    async def _listen(self, track: MediaStreamTrack) -> None:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE_HZ)
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            if not isinstance(frame, av.AudioFrame):
                continue
            async with self._more:
                parts = [part.to_ndarray().reshape(-1) for part in resampler.resample(frame)]
                self._heard += [part.astype(np.int16) for part in parts]
                self._more.notify_all()


def file_microphone(path: Path) -> MediaStreamTrack:
    track = MediaPlayer(str(path)).audio
    if track is None:
        raise ValueError("a file without sound")
    return track


def wav_write(path: Path, samples: Samples) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE_HZ, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())
    return path


def loudest_hz(samples: Samples) -> float:
    """The frequency with the most energy."""
    spectrum = np.abs(np.fft.rfft(samples.astype(float) * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * SAMPLE_RATE_HZ / len(samples))
