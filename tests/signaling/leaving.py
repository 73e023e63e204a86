"""A browser's own socket, and how it hears that it is over."""

import asyncio
from typing import Any

from django.test import Client

from households.models import Membership
from protocol.errors import CloseCode
from tests.signaling.sockets import ORIGIN, Socket

WITHIN_S = 10.0  # a computer may be busy; the two seconds are measured by `benchmarks.safety --only S4`


def client_of(member: Membership) -> Client:
    client = Client()
    client.force_login(member.user, "django.contrib.auth.backends.ModelBackend")
    return client


async def socket_of(client: Client) -> Socket:
    """The page of this very browser, welcomed."""
    cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
    socket = Socket("/ws/hub/", [*ORIGIN, (b"cookie", cookie.encode())])
    await socket.open()
    await socket.say("hello")
    await socket.hear("hello_ack")
    return socket


async def put_out(socket: Socket) -> dict[str, Any]:
    """The last word. Fails when it does not come, with the close, in time."""
    async with asyncio.timeout(WITHIN_S):
        last = await socket.hear("error")
        assert await socket.closed() == CloseCode.NOT_SIGNED_IN
    return last


async def stays(socket: Socket) -> None:
    await socket.say("ping", id="still there")
    assert (await socket.hear("pong"))["reply_to"] == "still there"
    await socket.close()


def sign_out(client: Client) -> None:
    assert client.post("/accounts/logout/").status_code == 302
