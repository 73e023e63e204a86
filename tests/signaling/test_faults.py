"""A part of the hub fails: the person hears of it, and the socket stays."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.db import connection
from django_scopes import scopes_disabled

from devices.models import DevicePresence
from protocol.base import Message
from protocol.errors import CloseCode
from protocol.messages.statistics import Stats
from protocol.worker import LegOffer
from signaling import handlers
from tests.fakes.worker import FakeWorker
from tests.plugin_cast import Cast
from tests.signaling.sockets import Socket, browser, browser_open, device_hello, device_socket

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


@contextmanager
def hanging(table: str) -> Iterator[None]:
    """Whoever asks the table waits, as while the disk of the database hangs."""
    parameters = connection.get_connection_params()
    known = {
        name: parameters[name]
        for name in ("dbname", "user", "password", "host", "port")
        if name in parameters
    }
    with psycopg.connect(**known) as other:
        other.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield


async def sent_away(socket: Socket) -> tuple[str, int]:
    """With which error and which code."""
    return (await socket.hear("error"))["code"], await socket.close_code()


async def test_whoever_said_hello_while_the_database_hangs_is_not_told_to_sign_in(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device would wait a minute before its next try, and a page would leave for the sign-in page."""
    monkeypatch.setattr("signaling.socket.HELLO_DEADLINE_S", 1.0)
    page, device = await browser_open(cast.anna), Socket("/ws/device/", [])
    with hanging("households_user"):
        await page.say("hello")
        assert await sent_away(page) == ("internal", 1000)
    with hanging("devices_device"):
        await device.open()
        await device_hello(device, cast.kitchen, cast.keys[cast.kitchen.pk])
        assert await sent_away(device) == ("internal", 1000)
    for socket in (page, device):
        await socket.close()
    # What is answered late would take the presence from the socket that came after it.
    with scopes_disabled():
        assert (await DevicePresence.objects.aget(device=cast.kitchen.pk)).last_seen_at is None
    monkeypatch.setattr("signaling.socket.HELLO_DEADLINE_S", 10.0)
    after = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
    await after.close()


async def test_whoever_says_nothing_is_still_told_so(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signaling.socket.HELLO_DEADLINE_S", 0.3)
    device = Socket("/ws/device/", [])
    await device.open()
    assert await sent_away(device) == ("not_signed_in", CloseCode.NOT_SIGNED_IN)
    await device.close()
