"""A part of the hub fails: the person hears of it, and the socket stays."""

from typing import Any

import pytest

from protocol.base import Message
from protocol.messages import Stats
from protocol.worker import LegOffer
from signaling import handlers
from tests.fakes.worker import FakeWorker
from tests.plugin_cast import Cast
from tests.signaling.sockets import browser

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]


async def test_a_fault_of_the_hub_costs_one_message_and_not_the_socket(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> None:
        raise KeyError("nobody foresaw this")

    others: dict[type[Message], handlers.Handler] = dict(handlers.HANDLERS)
    others[Stats] = broken
    monkeypatch.setattr(handlers, "HANDLERS", others)
    socket = await browser(cast.anna)
    await socket.say("stats", call_id=str(cast.kitchen.public_id), samples=[{}], id="s")
    error = await socket.hear("error")
    assert (error["code"], error["reply_to"]) == ("internal", "s")
    assert "nobody foresaw" not in error["message"]
    await socket.say("ping", id="still there")
    assert (await socket.hear("pong"))["reply_to"] == "still there"
    await socket.close()


async def test_speaking_without_a_broker_says_so(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "delay_now", lambda *_: False)
    async with FakeWorker() as worker:
        socket = await browser(cast.anna)
        await socket.say("webrtc_offer", sdp="v=0")
        assert isinstance(await worker.command(), LegOffer)
        await socket.say("speak", text="Hello.", id="w")
        error = await socket.hear("error")
        assert (error["code"], error["reply_to"]) == ("internal", "w")
        assert "cannot speak right now" in error["message"]
        await socket.close()
