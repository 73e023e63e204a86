"""What a call will ask of a STUN or TURN server, and what that must refuse, each as a check of its own."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from uuid import uuid4

from django.conf import settings

from calls.network.ice import turn_credential
from turn.client import TurnClient, TurnError, turn_open
from turn.messages import Address
from turn.servers import Server

WITHIN_S: Final = 3.0
_LIFE_S: Final = 60
_FORBIDDEN: Final = 403  # RFC 8656 section 19
_UNAUTHORIZED: Final = 401
# The last addresses of their ranges, so that none is by chance the hub's own, which is allowed.
_PRIVATE: Final = (
    "127.255.255.254", "10.255.255.253", "172.31.255.253", "192.168.255.253", "100.127.255.253", "169.254.169.254",
    "224.0.0.251",
)  # fmt: skip
UNREACHABLE: Final = "cannot be reached"
_LOCKED: Final = "does not let the hub in"
_OPEN: Final = "lets in whoever makes up a password"


@dataclass(frozen=True)
class Check:
    good: str
    bad: str
    run: Callable[[], Awaitable[None]]
    needs: str = ""  # `bad` of the check without which this one tells nothing


class CheckFailed(Exception):
    """The text says what to do."""


class TurnChecks:
    def __init__(self, server: Server, tls: ssl.SSLContext | None) -> None:
        self._server, self._tls = server, tls

    def all(self) -> list[Check]:
        """Who takes forged credentials takes expired ones too; who takes none says nothing by refusing them."""
        old, private = "a password that has run out", "into private networks"
        return [
            Check("can be reached", UNREACHABLE, self._reached),
            Check("lets the hub in", _LOCKED, self._allocated),
            Check("passes sound on", "does not pass sound on", self._relayed, _LOCKED),
            Check("refuses a made-up password", _OPEN, self._forged_refused, _LOCKED),
            Check(f"refuses {old}", f"takes {old}", self._expired_refused, _OPEN),
            Check(f"lets nobody {private}", f"lets callers {private}", self._private_refused, _LOCKED),
        ]

    @asynccontextmanager
    async def _client(self, credential: tuple[str, str] | None = None) -> AsyncIterator[TurnClient]:
        username, password = credential or turn_credential(f"turncheck/{uuid4()}", life_s=_LIFE_S)
        async with turn_open(self._server, username=username, credential=password, tls=self._tls) as client:
            yield client

    async def _reached(self) -> None:
        async with self._client() as client:
            await client.bind(within_s=WITHIN_S)

    async def _allocated(self) -> None:
        async with self._client() as client:
            try:
                await client.allocate()
            except TurnError as error:
                if error.code == _UNAUTHORIZED:
                    raise CheckFailed(
                        f"Its static-auth-secret must be the secret of the hub, which is {settings.TURN_SECRET_PLACE}. "
                        "It needs use-auth-secret too, and both clocks have to be right."
                    ) from None
                raise

    async def _relayed(self) -> None:
        """Between two allocations; where the relay's own address is private, to a socket of this process."""
        async with self._client() as one:
            relayed = await one.allocate()
            async with self._client() as other:
                peer = await other.allocate()
                with contextlib.suppress(TurnError):
                    await one.permit(peer)
                    await other.permit(relayed)
                    await _echo_between(one, other, peer)
                    return
            await self._relayed_to_us(one)

    async def _relayed_to_us(self, client: TurnClient) -> None:
        address = _own_address(self._server)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(_Echo, local_addr=(address, 0))
        try:
            peer: Address = transport.get_extra_info("sockname")[:2]
            await client.permit(peer)
            await _echoed(client, peer)
        except TurnError as error:
            if error.code != _FORBIDDEN:
                raise
            raise CheckFailed(_no_peer_advice(address)) from None
        finally:
            transport.close()

    async def _expired_refused(self) -> None:
        await self._refused(turn_credential("turncheck", life_s=-_LIFE_S))

    async def _forged_refused(self) -> None:
        username, _ = turn_credential("turncheck", life_s=_LIFE_S)
        await self._refused((username, "forged"))

    async def _refused(self, credential: tuple[str, str]) -> None:
        async with self._client(credential) as client:
            try:
                await client.allocate()
            except TurnError:
                return
        raise CheckFailed("Set use-auth-secret, and no-auth nowhere.")

    async def _private_refused(self) -> None:
        async with self._client() as client:
            await client.allocate()
            open_to = [peer for peer in _PRIVATE if await _is_permitted(client, peer)]
        if open_to:
            raise CheckFailed(
                f"It would send to {', '.join(open_to)}. Copy the denied-peer-ip lines of docker/turnserver.conf into "
                "its own turnserver.conf, and start it again."
            )


def _no_peer_advice(address: str) -> str:
    if ip_address(address).is_loopback:
        return (
            f"It listens on loopback, where coturn sends to nobody by itself. For a trial on one machine start it "
            f"with --allow-loopback-peers and --allowed-peer-ip={address}; otherwise let it listen on an address "
            f"of your network."
        )
    return (
        f"It may send neither to itself nor to this computer. Start it with --allowed-peer-ip={address} too."
    )


async def _is_permitted(client: TurnClient, peer: str) -> bool:
    try:
        await client.permit((peer, 9))
    except TurnError:
        return False
    return True


class _Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Address) -> None:
        # asyncio's own datagram transport does not inherit from the class of that name.
        send = getattr(self._transport, "sendto")  # noqa: B009
        send(data, addr)


async def _echo_between(one: TurnClient, other: TurnClient, peer: Address) -> None:
    echo = asyncio.create_task(_echo_once(other), name="turncheck.echo")
    try:
        await _echoed(one, peer)
    finally:
        echo.cancel()
        await asyncio.gather(echo, return_exceptions=True)


async def _echo_once(client: TurnClient) -> None:
    while True:
        peer, data = await client.receive(within_s=WITHIN_S)
        client.send(peer, data)


async def _echoed(client: TurnClient, peer: Address) -> None:
    """Three tries: a packet may get lost."""
    data = uuid4().bytes
    for _ in range(3):
        client.send(peer, data)
        with contextlib.suppress(TimeoutError):
            if (await client.receive(within_s=WITHIN_S / 3))[1] == data:
                return
    raise CheckFailed(
        "What is sent through it does not come back. Open its relay ports (min-port to max-port, UDP)."
    )


def _own_address(server: Server) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((server.host, server.port))  # sends nothing: only the route is looked up
        return str(probe.getsockname()[0])
