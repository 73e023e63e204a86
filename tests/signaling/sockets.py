"""Sockets through the real ASGI application."""

import asyncio
import base64
import json
from typing import Any

from asgiref.sync import sync_to_async
from autobahn.exception import Disconnected
from channels.testing import WebsocketCommunicator
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from django.test import Client

from config.asgi import application
from devices.models import Device
from households.models import Membership
from protocol.identity import login_text

WAIT_S = 10
DEVICE_NONCE = "device-nonce-of-128-bits-or-more"
ORIGIN = [(b"origin", b"http://testserver"), (b"host", b"testserver")]


class Socket:
    """One end of a socket; skips pushes that a test did not ask for."""

    def __init__(self, path: str, headers: list[tuple[bytes, bytes]]) -> None:
        self._end = WebsocketCommunicator(self._application, path, headers=headers)
        self._is_gone = False

    async def _application(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_unless_gone(event: Any) -> None:
            if self._is_gone:
                raise Disconnected
            await send(event)

        await application(scope, receive, send_unless_gone)

    def vanish(self) -> None:
        """The connection is gone, which the hub's server knows and the hub does not yet."""
        self._is_gone = True

    async def kill(self) -> None:
        """As Daphne ends an application that takes long to part."""
        self._end.future.cancel()
        await asyncio.wait({self._end.future})

    async def open(self) -> bool:
        is_open, _ = await self._end.connect(timeout=WAIT_S)
        return bool(is_open)

    async def close(self) -> None:
        await self._end.disconnect(timeout=WAIT_S)

    async def say(self, type_: str, **fields: Any) -> None:
        await self._end.send_to(text_data=json.dumps({"type": type_, **fields}))

    async def say_text(self, text: str) -> None:
        await self._end.send_to(text_data=text)

    async def say_bytes(self, data: bytes) -> None:
        await self._end.send_to(bytes_data=data)

    async def hear(self, *types: str) -> dict[str, Any]:
        """The next message of one of these types."""
        while True:
            message = json.loads(await self._end.receive_from(timeout=WAIT_S))
            if not types or message["type"] in types:
                return dict(message)

    async def closed(self) -> int:
        """The close code, once everything before it was read."""
        code = await self.close_code()
        await self._end.disconnect(timeout=WAIT_S)  # as the server below would tell it
        return code

    async def close_code(self) -> int:
        """The same from a hub that may still be at work for this socket."""
        while True:
            event = await self._end.receive_output(timeout=WAIT_S)
            if event["type"] == "websocket.close":
                return int(event.get("code") or 1000)


async def browser_open(member: Membership | None, headers: list[tuple[bytes, bytes]] | None = None) -> Socket:
    """A browser with the member's session; it has said nothing yet."""
    headers = list(ORIGIN if headers is None else headers)
    if member is not None:
        client = Client()
        await sync_to_async(client.force_login)(member.user, "django.contrib.auth.backends.ModelBackend")
        cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
        headers.append((b"cookie", cookie.encode()))
    socket = Socket("/ws/hub/", headers)
    await socket.open()
    return socket


async def browser(member: Membership) -> Socket:
    """A browser that was welcomed."""
    socket = await browser_open(member)
    await socket.say("hello")
    await socket.hear("hello_ack")
    return socket


def sign(key: ec.EllipticCurvePrivateKey, text: bytes) -> str:
    return base64.b64encode(key.sign(text, ec.ECDSA(hashes.SHA256()))).decode()


async def device_hello(
    socket: Socket, device: Device, key: ec.EllipticCurvePrivateKey, *, epoch: int | None = 1
) -> None:
    """Without an epoch: as the first agents did."""
    challenge = await socket.hear("challenge")
    text = login_text(
        nonce=challenge["nonce"], hub_id=challenge["hub_id"], device_id=str(device.public_id), epoch=epoch
    )
    newer = {"epoch": epoch, "nonce": DEVICE_NONCE} if epoch is not None else {}
    await socket.say(
        "hello",
        device_id=str(device.public_id),
        signature=sign(key, text),
        agent_version="1.0",
        id="h",
        **newer,
    )


async def device_socket(device: Device, key: ec.EllipticCurvePrivateKey, *, epoch: int = 1) -> Socket:
    """A device that was welcomed and told its settings."""
    socket = Socket("/ws/device/", [])
    await socket.open()
    await device_hello(socket, device, key, epoch=epoch)
    assert (await socket.hear())["type"] == "hello_ack"
    assert (await socket.hear())["type"] == "device_settings"
    return socket
