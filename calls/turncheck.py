"""Asks the configured STUN and TURN servers what a call will ask of them, and what they must refuse."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
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
    """One line: what was found at which server, and what to do where it is a fault."""

    server: str
    what: str  # with the server before it, it is a sentence
    outcome: Outcome
    advice: str = ""

    @property
    def line(self) -> str:
        return " ".join(
            words for words in (f"{self.outcome:<4} {self.server} {self.what}.", self.advice) if words
        )


@dataclass(frozen=True)
class _Check:
    good: str
    bad: str
    run: Callable[[], Awaitable[None]]
    needs: str = ""  # `bad` of the check without which this one tells nothing


_UNREACHABLE: Final = "cannot be reached"
_LOCKED: Final = "does not let the hub in"
_OPEN: Final = "lets in whoever makes up a password"


class _Failed(Exception):
    """The text says what to do."""


async def turn_check(*, tls: ssl.SSLContext | None = None) -> list[Finding]:
    """A finding for each server and check. Of one cause only the first has failed, and what follows is one more."""
    found: list[Finding] = []
    told: set[tuple[str, str, str]] = set()
    for url in [*settings.STUN_URLS, *settings.TURN_URLS]:
        try:
            server = server_read(url)
        except ValueError as error:
            what = "is no address of a STUN or TURN server"
            found.append(Finding(server=url, what=what, outcome=Outcome.FAILED, advice=str(error)))
            continue
        found += _once(told, server, await _check(server, _TurnChecks(server, tls).all()))
    return found


def _once(told: set[tuple[str, str, str]], server: Server, found: Sequence[Finding]) -> Iterator[Finding]:
    """The same fault of the same host over another transport has the same cause."""
    is_known = False
    for one in found:
        fault = (server.host, one.what, one.advice)
        if one.outcome is Outcome.FAILED and fault in told:
            is_known = True
            yield replace(one, what=f"{one.what}, for the same reason", outcome=Outcome.FOLLOWS, advice="")
        elif one.outcome is not Outcome.FOLLOWS or not is_known:
            yield one
        if one.outcome is Outcome.FAILED:
            told.add(fault)


async def _check(server: Server, checks: Sequence[_Check]) -> list[Finding]:
    """Where it cannot be reached nothing more is asked of it."""
    found: list[Finding] = []
    failed: set[str] = set()
    untried: list[str] = []
    for check in checks if server.is_turn else checks[:1]:
        if check.needs in failed:
            failed.add(check.bad)
            untried.append(check.good)
            continue
        advice = await _advice(server, check)
        outcome, what = (Outcome.FAILED, check.bad) if advice else (Outcome.OK, check.good)
        found.append(Finding(server=server.words, what=what, outcome=outcome, advice=advice))
        if advice:
            failed.add(check.bad)
        if _UNREACHABLE in failed:
            break
    if untried:
        what = f"was not asked whether it {_listed(untried)}"
        found.append(Finding(server=server.words, what=what, outcome=Outcome.FOLLOWS))
    return found


def _listed(words: Sequence[str]) -> str:
    """In the order of a sentence: a, b or c."""
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


async def _advice(server: Server, check: _Check) -> str:
    """What to do; "" where there is nothing to do."""
    advice = ""
    try:
        async with asyncio.timeout(4 * _WITHIN_S):
            await check.run()
    except _Failed as failure:
        advice = str(failure)
    except TurnError as error:
        advice = f"It answered with the error {error.code}. Its log says more."
    except TimeoutError:
        protocol = "UDP" if server.transport == "udp" else "TCP"
        advice = f"There is no answer. Look whether it runs, and open port {server.port} ({protocol}) for it."
    except ssl.SSLError:
        advice = (
            "Its certificate is not valid for this name. Renew it, or take the certificate of another name."
        )
    except socket.gaierror:
        advice = f"The name {server.host} is not known here. Check it, and the name server of this computer."
    except ConnectionRefusedError:
        advice = f"Nothing listens on port {server.port} there. Start the server, or correct the port."
    except OSError:
        advice = f"Check the name {server.host} and the port {server.port}, and look whether it runs."
    return advice


class _TurnChecks:
    def __init__(self, server: Server, tls: ssl.SSLContext | None) -> None:
        self._server, self._tls = server, tls

    def all(self) -> list[_Check]:
        """Who takes forged credentials takes expired ones too; who takes none says nothing by refusing them."""
        old, private = "a password that has run out", "into private networks"
        return [
            _Check("can be reached", _UNREACHABLE, self._reached),
            _Check("lets the hub in", _LOCKED, self._allocated),
            _Check("passes sound on", "does not pass sound on", self._relayed, _LOCKED),
            _Check("refuses a made-up password", _OPEN, self._forged_refused, _LOCKED),
            _Check(f"refuses {old}", f"takes {old}", self._expired_refused, _OPEN),
            _Check(f"lets nobody {private}", f"lets callers {private}", self._private_refused, _LOCKED),
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
            raise _Failed(_no_peer_advice(address)) from None
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
        raise _Failed("Set use-auth-secret, and no-auth nowhere.")

    async def _private_refused(self) -> None:
        async with self._client() as client:
            await client.allocate()
            open_to = [peer for peer in _PRIVATE if await _is_permitted(client, peer)]
        if open_to:
            raise _Failed(
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
        "What is sent through it does not come back. Open its relay ports (min-port to max-port, UDP)."
    )


def _own_address(server: Server) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((server.host, server.port))  # sends nothing: only the route is looked up
        return str(probe.getsockname()[0])
