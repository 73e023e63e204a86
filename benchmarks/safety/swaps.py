"""S9: somebody puts his own certificate into what a device and the hub say to each other, or the hub to itself.

The media worker, PostgreSQL and Valkey are the real programs; the sockets go through the real application, the sound
through aiortc, and the device looks at answers as the agent does. A call counts as set up once the hub connected it or
anything was heard at the device.
"""

import asyncio
import re
import subprocess
import sys
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from benchmarks.environment import rows_ready
from benchmarks.figures import Figure, Options, figure

if TYPE_CHECKING:
    from agent.identity import Identity
    from devices.models import Device
    from households.models import Membership
    from tests.signaling.sockets import Socket

FIGURES: Final = ("S9", "S9.record")
CALLS: Final = 100
QUICK_CALLS: Final = 8
# How it is swapped, and what the record of the household has to say of it.
KINDS: Final = {
    "offer on the network": "fingerprint_refused",
    "answer on the network": "answer_refused",
    "offer in Redis": "message_refused",
    "answer in Redis": "message_refused",
}
_WITHIN_S: Final = 30.0
_OTHER: Final = ":".join(["AB"] * 32)
_NAMED: Final = re.compile(r"(?<=sha-256 )[0-9A-F:]{95}")


@dataclass
class Redis:
    """Whoever can write to it: he changes the messages of one type on their way."""

    swaps: str = ""

    def changed(self, event: dict[str, Any]) -> dict[str, Any]:
        if self.swaps and f'"type":"{self.swaps}"' in event.get("text", ""):
            return event | {"text": _NAMED.sub(_OTHER, event["text"])}
        return event

    def enter(self) -> None:
        from channels.layers import get_channel_layer

        layer: Any = get_channel_layer()
        group_send, receive = layer.group_send, layer.receive

        async def sent(group: str, event: dict[str, Any]) -> None:
            await group_send(group, self.changed(event))

        async def received(channel: str) -> dict[str, Any]:
            return self.changed(await receive(channel))

        layer.group_send, layer.receive = sent, received


@dataclass
class Rig:
    member: "Membership"
    device: "Device"
    identity: "Identity"
    redis: Redis = field(default_factory=Redis)


@dataclass
class Found:
    set_up: int = 0
    recorded: int = 0
    right: int = 0
    kinds: Counter[str] = field(default_factory=Counter)


def measure(options: Options) -> list[Figure]:
    subprocess.run([sys.executable, "-m", "media.connection.loop"], check=True)
    with rows_ready("swaps") as folder:
        return _run(folder, QUICK_CALLS if options.is_quick else CALLS)


def _run(folder: Path, count: int) -> list[Figure]:
    from django_scopes import scopes_disabled

    from tests.fakes.media_program import MediaProgram

    with scopes_disabled():
        rig = _rig_make(folder)
        with MediaProgram(processes=1, log=folder / "media.log"):
            found = asyncio.run(_measure(rig, count))
    words = ", ".join(f"{name} {found.kinds[name]}" for name in KINDS)
    is_valid = found.right == 2 and found.kinds.total() == count
    return [
        figure("S9", f"calls with a swapped certificate that were set up, of {count}",
               found.set_up if is_valid else None, "", bar="= 0",
               reference=f"{words}; calls that nobody touched: {found.right} of 2 set up"),
        figure("S9.record", f"of them in the record of the household, of {count}",
               found.recorded, "", bar=f"= {count}"),
    ]  # fmt: skip


def _rig_make(folder: Path) -> Rig:
    from agent.identity import Identity
    from devices.claiming.authorization import authorization_poll, authorization_start
    from devices.claiming.confirmation import authorization_confirm, authorization_find
    from devices.services import room_get_or_create
    from protocol.enrollment import AuthorizationRequest
    from tests.plugin_cast import _cast_make

    cast, identity = _cast_make(), Identity(folder / "device")
    request = AuthorizationRequest(csr_pem=identity.csr_pem("S9"), model="Speaker", serial="S9")
    codes = authorization_start(request=request, base_url="http://localhost")
    device = authorization_confirm(
        membership=cast.anna,
        authorization=authorization_find(membership=cast.anna, user_code=codes.user_code),
        name="Speaker",
        room=room_get_or_create(household=cast.anna.household, name="Hall"),
        is_auto_answer=True,
    )
    enrollment = authorization_poll(device_code=codes.device_code)
    identity.enroll(hub_url="http://localhost", enrollment=enrollment)
    return Rig(cast.anna, device, identity)


async def _measure(rig: Rig, count: int) -> Found:
    from tests.signaling.sockets import browser, device_socket

    found = Found()
    rig.redis.enter()
    page, device = await browser(rig.member), await device_socket(rig.device, rig.identity.private_key)
    for name in ("", ""):
        found.right += await _call(rig, page, device, name)
    for number in range(count):
        name = list(KINDS)[number % len(KINDS)]
        before = await _recorded(rig, KINDS[name])
        found.set_up += await _call(rig, page, device, name)
        found.recorded += await _recorded(rig, KINDS[name]) - before
        found.kinds[name] += 1
    await page.close()
    await device.close()
    return found


async def _recorded(rig: Rig, kind: str) -> int:
    from households.record.audit import audit_list

    return await audit_list(rig.member.household).filter(kind=kind).acount()


async def _call(rig: Rig, page: "Socket", device: "Socket", name: str) -> bool:
    """Whether it was set up."""
    async with asyncio.timeout(2 * _WITHIN_S), AsyncExitStack() as stack:
        invite_id = uuid4().hex
        await page.say("call_invite", device_id=str(rig.device.public_id), id=invite_id)
        while (state := await page.hear("call_state")).get("reply_to") != invite_id:
            pass
        call_id = str(state["call_id"])
        while (await device.hear("call_invite"))["call_id"] != call_id:
            pass
        await device.say("call_accept", call_id=call_id)
        caller, room = End(stack, 440), End(stack, 1000, rig, is_own=name != "offer on the network")
        await caller.connect(page, call_id)
        rig.redis.swaps = {"offer in Redis": "leg_offer", "answer in Redis": "webrtc_answer"}.get(name, "")
        before = await _recorded(rig, KINDS[name]) if name else 0
        await room.connect(
            device, call_id, is_heard=not rig.redis.swaps, is_swapped=name == "answer on the network"
        )
        is_set_up = await _outcome(rig, call_id, room, KINDS.get(name), before)
        rig.redis.swaps = ""
        await page.say("call_end", call_id=call_id)
        while (await page.hear("call_end"))["call_id"] != call_id:
            pass
    return is_set_up


async def _outcome(rig: Rig, call_id: str, room: "End", kind: str | None, before: int) -> bool:
    """After the record has its entry, or the call was set up, and a moment more."""
    from calls.models import Call

    with_end = asyncio.get_running_loop().time() + _WITHIN_S
    while asyncio.get_running_loop().time() < with_end:
        call = await Call.objects.aget(public_id=call_id)
        if call.connected_at or (kind and await _recorded(rig, kind) > before):
            break
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.3)
    call = await Call.objects.aget(public_id=call_id)
    return call.connected_at is not None or room.heard.is_set()


class End:
    """One end's sound. The device's has its claimed key, or that of somebody in between."""

    def __init__(
        self, stack: AsyncExitStack, hz: float, rig: Rig | None = None, *, is_own: bool = True
    ) -> None:
        from aiortc import RTCConfiguration

        from tests.fakes.connection import PeerConnection
        from tests.fakes.peer import ToneTrack

        key = rig.identity.private_key if rig is not None and is_own else None
        self._rig, self.heard = rig, asyncio.Event()
        self._peer: PeerConnection = PeerConnection(RTCConfiguration(iceServers=[]), key=key)
        self._peer.addTrack(ToneTrack(hz))
        self._peer.on("track", self._track_came)
        self._listening: asyncio.Task[None] | None = None
        stack.push_async_callback(self._close)

    async def connect(
        self, socket: "Socket", call_id: str, *, is_heard: bool = True, is_swapped: bool = False
    ) -> None:
        """Makes an offer, and takes the answer where one is heard. A device refuses one that was changed."""
        from aiortc import RTCSessionDescription

        await self._peer.setLocalDescription(await self._peer.createOffer())
        sdp, request_id = self._peer.localDescription.sdp, uuid4().hex
        await socket.say("webrtc_offer", call_id=call_id, sdp=sdp, id=request_id)
        if not is_heard:
            return
        while (answer := await socket.hear("webrtc_answer", "error")).get("reply_to") != request_id:
            pass
        if answer["type"] == "error":
            return
        if is_swapped:
            answer["sdp"] = _NAMED.sub(_OTHER, answer["sdp"])
        if self._rig is None or self._is_right(call_id, request_id, sdp, answer):
            await self._peer.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))
        else:
            await socket.say("answer_refused", call_id=call_id)

    def _is_right(self, call_id: str, request_id: str, sdp: str, answer: dict[str, Any]) -> bool:
        """As the agent looks at it."""
        from agent.answers import AnswerRefusedError, answer_check
        from protocol.messages.connection import WebrtcAnswer, WebrtcOffer

        offer = WebrtcOffer.model_validate({"id": request_id, "call_id": call_id, "sdp": sdp})
        try:
            if self._rig is not None:
                answer_check(self._rig.identity, offer, WebrtcAnswer.model_validate(answer))
        except AnswerRefusedError:
            return False
        return True

    def _track_came(self, track: Any) -> None:
        self._listening = asyncio.create_task(self._listen(track), name="listens")

    async def _listen(self, track: Any) -> None:
        from aiortc.mediastreams import MediaStreamError

        try:
            while True:
                await track.recv()
                self.heard.set()
        except MediaStreamError:
            return

    async def _close(self) -> None:
        await self._peer.close()
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
