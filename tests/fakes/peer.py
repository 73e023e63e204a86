"""A real aiortc peer in a client's place: it sends a tone and keeps what it hears."""

import asyncio
import fractions
import time
import wave
from pathlib import Path
from typing import BinaryIO
from uuid import UUID, uuid4

import av
import numpy as np
import numpy.typing as npt
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, AudioResampler
from cryptography.hazmat.primitives.asymmetric import ec

from media.worker import MediaWorker
from protocol.worker import LegCandidate, LegOffer
from sound.opus import mono_samples
from tests.fakes.connection import PeerConnection
from tests.fakes.door import FakeDoor

Samples = npt.NDArray[np.int16]
RATE = 48_000
FRAME = 960


class ToneTrack(MediaStreamTrack):
    """A sine of `level`, paced in real time. `hold` stops it without closing anything."""

    kind = "audio"

    def __init__(self, frequency_hz: float) -> None:
        super().__init__()
        self.frequency_hz, self.level = frequency_hz, 16_000
        self.running = asyncio.Event()
        self.running.set()
        self._position = 0
        self._started_at: float | None = None
        self.silent_until_s = 0.0  # monotonic

    def hold(self) -> None:
        self.running.clear()

    def resume(self) -> None:
        self._started_at = None
        self.running.set()

    async def recv(self) -> AudioFrame:
        await self.running.wait()
        if self._started_at is None:
            self._started_at = time.monotonic() - self._position / RATE
        await asyncio.sleep(max(0.0, self._started_at + self._position / RATE - time.monotonic()))
        at = np.arange(self._position, self._position + FRAME)
        samples = (self.level * np.sin(2 * np.pi * self.frequency_hz * at / RATE)).astype(np.int16)
        samples *= self._started_at + self._position / RATE >= self.silent_until_s
        frame = AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, self._position, fractions.Fraction(1, RATE)
        self._position += FRAME
        return frame


class RealPeer:
    """Use as an async context manager. `heard()` gives all samples so far."""

    def __init__(
        self,
        worker: MediaWorker,
        door: FakeDoor,
        *,
        frequency_hz: float = 440.0,
        key: ec.EllipticCurvePrivateKey | None = None,
    ) -> None:
        self.worker, self.door = worker, door
        self.leg_id, self.participant_id = uuid4(), uuid4()
        self.needs_echo_cancellation = False
        self.is_standing = False
        self.microphone = ToneTrack(frequency_hz)
        self.connection = PeerConnection(RTCConfiguration(iceServers=[]), key=key)
        self.connection.on("track", self._track_came)
        self._parts: list[Samples] = []
        self._listening: asyncio.Task[None] | None = None
        self._new = asyncio.Event()

    async def __aenter__(self) -> "RealPeer":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self.connection.close()
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)

    async def offer(self) -> str:
        self.connection.addTrack(self.microphone)
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return self.connection.localDescription.sdp

    async def connect(
        self, *, call_id: UUID | None = None, recording_name: str | None = None, trickle: bool = False
    ) -> str:
        """Offer to the worker, take its answer; returns the answer's SDP."""
        sdp = await self.offer()
        candidates = [line[2:] for line in sdp.splitlines() if line.startswith("a=candidate")]
        if trickle:
            gone = ("a=candidate", "a=end-of-candidates")
            sdp = "".join(f"{line}\r\n" for line in sdp.splitlines() if not line.startswith(gone))
        answer = await self.send_offer(sdp, call_id=call_id, recording_name=recording_name)
        await self.connection.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
        for candidate in [*candidates, None] if trickle else []:
            await self.worker.handle(LegCandidate(leg_id=self.leg_id, candidate=candidate, sdp_mid="0"))
        return answer

    async def send_offer(self, sdp: str, *, call_id: UUID | None, recording_name: str | None = None) -> str:
        request_id = uuid4().hex
        await self.worker.handle(
            LegOffer(
                leg_id=self.leg_id,
                call_id=call_id,
                participant_id=self.participant_id,
                sdp=sdp,
                ice_servers=[],
                reply_channel="test",
                request_id=request_id,
                recording_name=recording_name,
                echo_cancellation=self.needs_echo_cancellation,
                is_standing=self.is_standing,
            )
        )
        told = await self.door.wait_for("answer", lambda told: told.request_id == request_id)
        return str(told.sdp)

    def heard(self) -> Samples:
        return np.concatenate(self._parts) if self._parts else np.zeros(0, dtype=np.int16)

    def forget(self) -> None:
        self._parts = []

    async def listen(self, seconds: float, *, timeout_s: float = 15.0) -> Samples:
        """The next `seconds` of sound."""
        self.forget()
        return await self.wait_heard(seconds, timeout_s=timeout_s)

    async def wait_heard(self, seconds: float, *, timeout_s: float = 15.0) -> Samples:
        """All that was heard since `forget`, once there is that much of it."""
        async with asyncio.timeout(timeout_s):
            while self.heard().size < seconds * RATE:
                self._new.clear()
                await self._new.wait()
        return self.heard()

    def _track_came(self, track: MediaStreamTrack) -> None:
        self._listening = asyncio.create_task(self._listen(track))

    async def _listen(self, track: MediaStreamTrack) -> None:
        resampler = AudioResampler(format="s16", layout="mono", rate=RATE)
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            assert isinstance(frame, AudioFrame)
            self._parts += [mono_samples(mono) for mono in resampler.resample(frame)]
            self._new.set()


def level_db(samples: Samples, frequency_hz: float, *, width_hz: float = 25.0) -> float:
    """Power near a frequency relative to a full-scale sine, in dB."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(samples.size))) ** 2
    frequencies = np.fft.rfftfreq(samples.size, 1 / RATE)
    full = (32767 * samples.size / 4) ** 2
    power = spectrum[np.abs(frequencies - frequency_hz) <= width_hz].sum()
    return float(10 * np.log10(max(power, 1e-9) / full))


def loudest_hz(samples: Samples) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(samples.size)))
    return float(np.fft.rfftfreq(samples.size, 1 / RATE)[int(spectrum.argmax())])


def decoded(source: Path | BinaryIO) -> Samples:
    """A file's sound, 48 kHz mono."""
    with av.open(source, mode="r") as container:
        resampler = AudioResampler(format="s16", layout="mono", rate=RATE)
        parts = [mono_samples(mono) for f in container.decode(audio=0) for mono in resampler.resample(f)]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int16)


def write_tone(path: Path, *, frequency_hz: float, seconds: float, rate: int = 22_050) -> Path:
    """A WAV file, as Piper makes them."""
    at = np.arange(int(rate * seconds))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((16_000 * np.sin(2 * np.pi * frequency_hz * at / rate)).astype(np.int16).tobytes())
    return path
