"""Asks the configured STUN and TURN servers what a call will ask of them, and what they must refuse."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from ipaddress import ip_address
from typing import Final
from uuid import uuid4

from django.conf import settings

from calls.ice import turn_credential
from turn.client import TurnClient, TurnError, turn_open
from turn.messages import Address
from turn.servers import Server, server_read

_LIFE_S: Final = 60
_FORBIDDEN: Final = 403  # RFC 8656 section 19
_UNAUTHORIZED: Final = 401
_WITHIN_S: Final = 3.0
_REACHED: Final = "can be reached"
_ALLOCATES: Final = "takes the hub's credential and gives an allocation"
_REFUSES_FORGED: Final = "refuses a forged credential"
# The last addresses of their ranges, so that none is by chance the hub's own, which is allowed.
_PRIVATE: Final = (
    "127.255.255.254", "10.255.255.253", "172.31.255.253", "192.168.255.253", "100.127.255.253", "169.254.169.254",
    "224.0.0.251",
)  # fmt: skip


class Outcome(StrEnum):
    OK = "ok"
    FAILED = "FAIL"
    FOLLOWS = "-"  # from a failure that has a line of its own


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line: what was tried at which server, and what to do where it failed."""

    server: str
    what: str
    outcome: Outcome
    advice: str = ""


@dataclass(frozen=True)
class _Check:
    what: str
    run: Callable[[], Awaitable[None]]
    needs: str = ""  # the check without which this one tells nothing


class _Failed(Exception):
    """The text says what to do."""


async def turn_check(*, tls: ssl.SSLContext | None = None) -> list[Finding]:
    """One finding for each server and check; of one cause only the first has failed.

    Where a server cannot be reached nothing more is asked of it.
    """
    found: list[Finding] = []
    told: dict[tuple[str, str, str], str] = {}
    for url in [*settings.STUN_URLS, *settings.TURN_URLS]:
        try:
            server = server_read(url)
        except ValueError as error:
            found.append(Finding(server=url, what="is an address", outcome=Outcome.FAILED, advice=str(error)))
            continue
        found += [_once(told, server, one) for one in await _check(server, _TurnChecks(server, tls).all())]
    return found


def _once(told: dict[tuple[str, str, str], str], server: Server, found: Finding) -> Finding:
    """The same fault of the same host over another transport has the same cause."""
    if found.outcome is not Outcome.FAILED:
        return found
    first = told.setdefault((server.host, found.what, found.advice), found.server)
    if first == found.server:
        return found
    return replace(found, outcome=Outcome.FOLLOWS, advice=f"the same fault as of {first}.")


async def _check(server: Server, checks: Sequence[_Check]) -> list[Finding]:
    found = []
    causes: dict[str, str] = {}
    for check in checks if server.is_turn else checks[:1]:
        outcome, advice = Outcome.OK, ""
        if check.needs in causes:
            causes[check.what] = causes[check.needs]
            outcome, advice = Outcome.FOLLOWS, f"not tried, because this failed: {causes[check.needs]}."
        elif advice := await _advice(server, check):
            causes[check.what] = check.what
            outcome = Outcome.FAILED
        found.append(Finding(server=server.words, what=check.what, outcome=outcome, advice=advice))
        if _REACHED in causes:
            break
    return found


async def _advice(server: Server, check: _Check) -> str:
    """What to do; "" where there is nothing to do."""
    advice = ""
    try:
        async with asyncio.timeout(4 * _WITHIN_S):
            await check.run()
    except _Failed as failure:
        advice = str(failure)
    except TurnError as error:
        advice = f"The server refused with {error.code}. Look into its log."
    except TimeoutError:
        advice = f"No answer. Look whether it runs, and open port {server.port} ({server.transport}) for it."
    except ssl.SSLError:
        advice = (
            "Its certificate is not valid for this name. Renew it, or take the certificate of another name."
        )
    except socket.gaierror:
        advice = f"The name {server.host} is not known here. Check it, and the name server of this computer."
    except OSError:
        advice = f"Not to be reached. Check the name {server.host}, port {server.port}, and whether it runs."
    return advice


class _TurnChecks:
    def __init__(self, server: Server, tls: ssl.SSLContext | None) -> None:
        self._server, self._tls = server, tls

    def all(self) -> list[_Check]:
        """Who takes forged credentials takes expired ones too; who takes none says nothing by refusing them."""
        return [
            _Check(_REACHED, self._reached),
            _Check(_ALLOCATES, self._allocated),
            _Check("relays a packet there and back", self._relayed, _ALLOCATES),
            _Check(_REFUSES_FORGED, self._forged_refused, _ALLOCATES),
            _Check("refuses an expired credential", self._expired_refused, _REFUSES_FORGED),
            _Check("refuses private peers", self._private_refused, _ALLOCATES),
        ]

    @asynccontextmanager
    async def _client(self, credential: tuple[str, str] | None = None) -> AsyncIterator[TurnClient]:
        username, password = credential or turn_credential(f"turncheck/{uuid4()}", life_s=_LIFE_S)
        async with turn_open(self._server, username=username, credential=password, tls=self._tls) as client:
            yield client

    async def _reached(self) -> None:
        async with self._client() as client:
            await client.bind(within_s=_WITHIN_S)

    async def _allocated(self) -> None:
        async with self._client() as client:
            try:
                await client.allocate()
            except TurnError as error:
                if error.code == _UNAUTHORIZED:
                    raise _Failed(
                        "Its static-auth-secret must be HUB_TURN_SECRET, use-auth-secret set, and both clocks right."
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
            raise _Failed(_no_peer_advice(address)) from None
        finally:
            transport.close()

    async def _expired_refused(self) -> None:
        await self._refused(turn_credential("turncheck", life_s=-_LIFE_S), "expired")

    async def _forged_refused(self) -> None:
        username, _ = turn_credential("turncheck", life_s=_LIFE_S)
        await self._refused((username, "forged"), "forged")

    async def _refused(self, credential: tuple[str, str], what: str) -> None:
        async with self._client(credential) as client:
            try:
                await client.allocate()
            except TurnError:
                return
        raise _Failed(f"It took an {what} credential: set use-auth-secret, and no-auth nowhere.")

    async def _private_refused(self) -> None:
        async with self._client() as client:
            await client.allocate()
            open_to = [peer for peer in _PRIVATE if await _is_permitted(client, peer)]
        if open_to:
            raise _Failed(
                f"It would relay to {', '.join(open_to)}: take the denied-peer-ip lines of docker/turnserver.conf."
            )


def _no_peer_advice(address: str) -> str:
    if ip_address(address).is_loopback:
        return (
            f"It listens on loopback, where coturn relays to nobody by itself. For a trial on one machine start it "
            f"with --allow-loopback-peers and --allowed-peer-ip={address}; otherwise let it listen on an address "
            f"of your network."
        )
    return (
        f"It relays neither to itself nor to this host ({address}): add allowed-peer-ip for the media worker."
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
        peer, data = await client.receive(within_s=_WITHIN_S)
        client.send(peer, data)


async def _echoed(client: TurnClient, peer: Address) -> None:
    """Three tries: a packet may get lost."""
    data = uuid4().bytes
    for _ in range(3):
        client.send(peer, data)
        with contextlib.suppress(TimeoutError):
            if (await client.receive(within_s=_WITHIN_S / 3))[1] == data:
                return
    raise _Failed(
        "What is sent through it does not come back: open its relay ports (min-port to max-port, UDP)."
    )


def _own_address(server: Server) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((server.host, server.port))  # sends nothing: only the route is looked up
        return str(probe.getsockname()[0])
