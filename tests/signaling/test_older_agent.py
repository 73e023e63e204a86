"""An agent of the version before: what it said then, word for word, goes through a call on this hub.

`older_agent.json` holds its messages as it wrote them; only ids, signature and SDP are those of this call.
"""

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path
from string import Template
from typing import Any

import pytest
from aiortc import RTCConfiguration, RTCSessionDescription
from cryptography.hazmat.primitives.asymmetric import ec
from django_scopes import scopes_disabled

from calls.models import Call, LegStatistics
from protocol.identity import login_text
from protocol.messages.unions import parse_device, parse_from_hub
from tests.fakes.connection import PeerConnection
from tests.fakes.media_program import MediaProgram
from tests.fakes.peer import ToneTrack
from tests.plugin_cast import Cast
from tests.signaling.sockets import Socket, browser, sign

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]

WORDS: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("older_agent.json").read_text())
ANY_ID = "5f1d7c0e-9a3b-4c2d-8e6f-7a8b9c0d1e2f"


class OlderAgent:
    """Its end of the socket. No answer to it may be an error."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket

    async def say(self, name: str, **values: str) -> None:
        await self._socket.say_text(Template(json.dumps(WORDS[name])).substitute(values))

    async def hear(self, type_: str) -> dict[str, Any]:
        while True:
            message = await self._socket.hear()
            assert message["type"] != "error", message
            if message["type"] == type_:
                return message


async def offer(peer: PeerConnection) -> str:
    await peer.setLocalDescription(await peer.createOffer())
    return json.dumps(peer.localDescription.sdp)[1:-1]


async def answered(peer: PeerConnection, answer: dict[str, Any]) -> None:
    await peer.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))


async def peer_make(
    stack: AsyncExitStack, hz: float, key: ec.EllipticCurvePrivateKey | None = None
) -> PeerConnection:
    peer = PeerConnection(RTCConfiguration(iceServers=[]), key=key)
    peer.addTrack(ToneTrack(hz))
    stack.push_async_callback(peer.close)
    return peer


@pytest.mark.parametrize("name", sorted(WORDS))
def test_each_of_its_messages_is_one(name: str) -> None:
    values = dict.fromkeys(("device_id", "call_id", "delivery_id"), ANY_ID) | {"sdp": "v=0", "signature": "x"}
    assert parse_device(Template(json.dumps(WORDS[name])).substitute(values)).type == WORDS[name]["type"]  # type: ignore[attr-defined]


def test_what_a_newer_hub_says_besides_is_left_out() -> None:
    said = {"type": "call_moved", "call_id": ANY_ID, "why": "a word of tomorrow"}
    assert parse_from_hub(json.dumps(said), to_device=True).to_json() == json.dumps(
        {"type": "call_moved", "call_id": ANY_ID}, separators=(",", ":")
    )


async def test_a_call_with_it_is_connected_and_stands_in_the_history(cast: Cast, tmp_path: Path) -> None:
    with MediaProgram(processes=1, log=tmp_path / "media.log"):
        async with AsyncExitStack() as stack:
            socket = Socket("/ws/device/", [])
            await socket.open()
            agent = OlderAgent(socket)
            challenge = await agent.hear("challenge")
            device_id, key = str(cast.kitchen.public_id), cast.keys[cast.kitchen.pk]
            text = login_text(
                nonce=challenge["nonce"], hub_id=challenge["hub_id"], device_id=device_id, epoch=None
            )
            await agent.say("hello", device_id=device_id, signature=sign(key, text))
            await agent.hear("hello_ack")

            page = await browser(cast.anna)
            await page.say("call_invite", device_id=device_id, id="call")
            call_id = str((await agent.hear("call_invite"))["call_id"])
            await agent.say("call_ringing", call_id=call_id)
            await agent.say("call_accept", call_id=call_id)
            caller, device = await peer_make(stack, 440), await peer_make(stack, 1000, key)
            await page.say(
                "webrtc_offer", call_id=call_id, sdp=json.loads(f'"{await offer(caller)}"'), id="offer"
            )
            await answered(caller, await page.hear("webrtc_answer"))
            await agent.say("webrtc_offer", call_id=call_id, sdp=await offer(device))
            answer = await agent.hear("webrtc_answer")
            assert answer["reply_to"] == WORDS["webrtc_offer"]["id"]
            await answered(device, answer)
            while (await agent.hear("call_state"))["state"] != "connected":
                pass

            for name in (name for name in WORDS if name.startswith("stats")):
                await agent.say(name, call_id=call_id)
            await agent.say("ping")
            await agent.hear("pong")
            again = await peer_make(stack, 1000, key)  # as it did when it heard nothing any more
            await agent.say("webrtc_offer again", call_id=call_id, sdp=await offer(again))
            await answered(again, await agent.hear("webrtc_answer"))
            async with asyncio.timeout(10):
                while again.connectionState != "connected":
                    await asyncio.sleep(0.05)
            await agent.say("call_end", call_id=call_id)
            assert (await agent.hear("call_end"))["outcome"] == "answered"
            assert (await page.hear("call_end"))["outcome"] == "answered"
            await page.close()
            await socket.close()
    with scopes_disabled():
        call = await Call.objects.aget(public_id=call_id)
        assert (call.state, call.outcome, call.connected_at is not None) == ("ended", "answered", True)
        # Nothing that it measured is of one second.
        assert not await LegStatistics.objects.filter(participant__role="callee", measurer="end").aexists()
