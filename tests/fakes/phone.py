"""One end of a call at the hub, without a socket in between: it offers as signaling does and follows `call_moved`.

Its sound is real: a tone goes to the worker, and every 20 ms in which the other's tone was heard is remembered.
"""

import asyncio
import itertools
import json
import time
from types import TracebackType
from typing import Any
from uuid import uuid4

import numpy as np
from aiortc import MediaStreamTrack, RTCConfiguration, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from asgiref.sync import sync_to_async
from av import AudioFrame, AudioResampler
from channels.layers import get_channel_layer
from cryptography.hazmat.primitives.asymmetric import ec
from django_scopes import scopes_disabled

from calls.models import CallParticipant
from common.push import group_device, group_household
from protocol.messages.connection import WebrtcOffer
from signaling.legs import leg_offer
from tests.fakes.connection import PeerConnection
from tests.fakes.peer import RATE, ToneTrack

LOUD = 0.1  # of full scale
FRAME_S = 0.02
KEEP_OLD_S = 2.0
OLD_STAYS_S = 1.0
ANSWER_WITHIN_S = 3.0
ASK_AGAIN_S = 0.2


class _Line:
    """One peer connection of a phone."""

    def __init__(self, phone: "Phone") -> None:
        self._phone = phone
        self._connection = PeerConnection(RTCConfiguration(iceServers=[]), key=phone.key)
        self._connection.addTrack(ToneTrack(phone.says_hz))
        self._connection.on("track", self._track_came)
        self._listening: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self.is_heard = asyncio.Event()

    async def offer(self) -> str:
        await self._connection.setLocalDescription(await self._connection.createOffer())
        return self._connection.localDescription.sdp

    async def take(self, sdp: str) -> None:
        await self._connection.setRemoteDescription(RTCSessionDescription(sdp=sdp, type="answer"))

    async def close(self) -> None:
        """May be called again and be cancelled: what it began goes on, and the next caller waits for it."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(), name="close phone line")
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        await self._connection.close()
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)

    def _track_came(self, track: MediaStreamTrack) -> None:
        self._listening = asyncio.create_task(self._listen(track), name="phone line")

    async def _listen(self, track: MediaStreamTrack) -> None:
        resampler = AudioResampler(format="s16", layout="mono", rate=RATE)
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            assert isinstance(frame, AudioFrame)
            samples = np.concatenate([part.to_ndarray().reshape(-1) for part in resampler.resample(frame)])
            turn = np.exp(-2j * np.pi * self._phone.hears_hz * np.arange(samples.size) / RATE)
            if 2 * abs(np.mean(samples * turn)) / 32768 > LOUD:
                self._phone.hear(self)
                self.is_heard.set()


class Phone:
    """`async with Phone(leg, says_hz=440, hears_hz=1000) as phone: await phone.connect()`."""

    def __init__(
        self,
        leg: CallParticipant,
        *,
        says_hz: float,
        hears_hz: float,
        key: ec.EllipticCurvePrivateKey | None = None,  # of a device
    ) -> None:
        self.key = key
        self._leg, self.says_hz, self.hears_hz = leg, says_hz, hears_hz
        self.heard_at_s: list[float] = []
        self.lines_heard_at_s: list[float] = []  # the first sound of each connection
        self.moved_count = 0
        self.ended: dict[str, Any] | None = None
        self.away: list[str] = []
        self._is_gone = False
        self._line: _Line | None = None
        self._listened_to: _Line | None = None
        self._lines: list[_Line] = []
        self._answers: dict[str, asyncio.Future[str]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._lock = asyncio.Lock()

    async def __aenter__(self) -> "Phone":
        layer = get_channel_layer()
        self._channel: str = await layer.new_channel()
        device = self._leg.device
        group = group_device(device.public_id) if device else group_household(self._leg.household.public_id)
        await layer.group_add(group, self._channel)
        self._spawn(self._hear_hub())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for line in self._lines:
            await line.close()

    async def connect(self) -> None:
        """A new connection; the old one stays until the new one carries sound. Tries again when nobody answers."""
        async with self._lock:
            line = _Line(self)
            self._lines.append(line)
            try:
                is_answered = await self._call_hub(line)
            except BaseException:
                await line.close()
                raise
            if not is_answered:
                await line.close()
                return
            old, self._line = self._line, line
        if old is not None:
            self._spawn(self._let_go(old, line))

    async def go(self) -> None:
        """As if it had lost its power: no packet and no word from now on."""
        self._is_gone = True
        for line in self._lines:
            await line.close()

    def hear(self, line: "_Line") -> None:
        """The newest connection that carries sound is the one that is listened to."""
        now_s = time.monotonic()
        if not line.is_heard.is_set():
            self._listened_to = line
            self.lines_heard_at_s.append(now_s)
        if line is self._listened_to:
            self.heard_at_s.append(now_s)

    async def wait_heard(self, since_s: float, *, timeout_s: float = 20.0) -> float:
        """When the other was heard for the first time after this moment."""
        async with asyncio.timeout(timeout_s):
            while not self.heard_at_s or self.heard_at_s[-1] < since_s:
                await asyncio.sleep(FRAME_S)
        return next(at_s for at_s in self.heard_at_s if at_s >= since_s)

    async def wait_line_heard(self, since_s: float, *, timeout_s: float = 20.0) -> float:
        """When a connection was heard for the first time, after this moment: no buffer of an old one counts."""
        async with asyncio.timeout(timeout_s):
            while not self.lines_heard_at_s or self.lines_heard_at_s[-1] < since_s:
                await asyncio.sleep(FRAME_S)
        return next(at_s for at_s in self.lines_heard_at_s if at_s >= since_s)

    def longest_gap_s(self, since_s: float, until_s: float) -> float:
        """The longest time without the other's tone between two moments."""
        inside = [at_s for at_s in self.heard_at_s if since_s <= at_s <= until_s]
        edges = [since_s, *inside, until_s]
        return max(after - before for before, after in itertools.pairwise(edges)) - FRAME_S

    async def _call_hub(self, line: _Line) -> bool:
        """False: the call is over."""
        sdp = await line.offer()
        while self.ended is None:
            answer = await self._ask(sdp)
            if answer is not None:
                await line.take(answer)
                return True
        return False

    async def _ask(self, sdp: str) -> str | None:
        request_id = uuid4().hex
        self._answers[request_id] = asyncio.get_running_loop().create_future()
        leg = await sync_to_async(self._leg_now)()
        if not leg.call.is_live:
            self.ended = self.ended or {}
            return None
        await leg_offer(
            WebrtcOffer(id=request_id, call_id=leg.call.public_id, sdp=sdp),
            leg=leg,
            leg_id=leg.public_id,
            household=leg.call.household,
            worker_id=leg.call.worker_id,
            channel=self._channel,
        )
        try:
            return await asyncio.wait_for(self._answers[request_id], ANSWER_WITHIN_S)
        except TimeoutError:
            return None

    def _leg_now(self) -> CallParticipant:
        with scopes_disabled():
            return CallParticipant.objects.select_related("call__household", "call__device", "device").get(
                pk=self._leg.pk
            )

    async def _let_go(self, old: _Line, new: _Line) -> None:
        """As the real clients do: two seconds of silence on the new connection are a reason for another one."""
        try:
            await asyncio.wait_for(new.is_heard.wait(), KEEP_OLD_S)
            await asyncio.sleep(OLD_STAYS_S)
        except TimeoutError:
            if new is self._line and self.ended is None:
                self._spawn(self.connect())
        finally:
            await old.close()

    async def _hear_hub(self) -> None:
        layer = get_channel_layer()
        while True:
            message = json.loads((await layer.receive(self._channel))["text"])
            match message["type"]:
                case "webrtc_answer":
                    self._answers.pop(message["reply_to"]).set_result(message["sdp"])
                case "call_state" if message["call_id"] == str(self._leg.call.public_id):
                    self.away = message.get("away", [])
                case "call_moved" if self._is_gone:
                    pass
                case "call_moved" if message["call_id"] == str(self._leg.call.public_id):
                    self.moved_count += 1
                    self._spawn(self.connect())
                case "call_end" if message["call_id"] == str(self._leg.call.public_id):
                    self.ended = message

    def _spawn(self, coroutine: Any) -> None:
        task = asyncio.create_task(coroutine, name="phone")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
