"""One connection to a STUN or TURN server: bind, allocate, permit, send and receive."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final, Protocol, cast

from turn import messages as stun
from turn.messages import Address, Attribute, Kind, Method, Name, StunMessage
from turn.servers import Server

_FIRST_WAIT_S: Final = 0.15  # then twice as long, and so on (RFC 8489 section 6.2.1)
_REPLY_WITHIN_S: Final = 4.0
_MAX_WAITING: Final = 256
_UNAUTHORIZED: Final = 401
_STALE_NONCE: Final = 438


class TurnError(Exception):
    """The server said no. `code` is that of RFC 8489 section 14.8 or RFC 8656 section 19."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the server answered {code}")
        self.code = code


class _Wire(Protocol):
    is_reliable: bool
    waiting: asyncio.Queue[StunMessage]

    def send(self, data: bytes) -> None: ...


class _Datagrams(asyncio.DatagramProtocol):
    is_reliable = False

    def __init__(self) -> None:
        self.waiting: asyncio.Queue[StunMessage] = asyncio.Queue(_MAX_WAITING)
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # asyncio's own datagram transport does not inherit from the class of that name.
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: object) -> None:
        with contextlib.suppress(asyncio.QueueFull, ValueError):
            self.waiting.put_nowait(stun.read(data))

    def error_received(self, exc: Exception) -> None:
        """A port that is closed looks like silence: the request runs out of time."""

    def send(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.sendto(data)


class _Stream:
    is_reliable = True

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.waiting: asyncio.Queue[StunMessage] = asyncio.Queue(_MAX_WAITING)

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    async def read_all(self) -> None:
        """Messages in their frames (RFC 8489 section 6.2.2), until the other side closes."""
        with contextlib.suppress(asyncio.IncompleteReadError, OSError, ValueError):
            while True:
                head = await self._reader.readexactly(stun.HEADER_BYTES)
                rest = await self._reader.readexactly(int.from_bytes(head[2:4], "big"))
                await self.waiting.put(stun.read(head + rest))


class TurnClient:
    """Made by `turn_open`. Requests come one after another; each raises TurnError or TimeoutError."""

    def __init__(self, wire: _Wire, *, username: str, credential: str) -> None:
        self._wire = wire
        self._username, self._credential = username, credential
        self._auth: list[Attribute] = []
        self._key: bytes | None = None
        self._arrived: asyncio.Queue[tuple[Address, bytes]] = asyncio.Queue(_MAX_WAITING)

    async def bind(self, *, within_s: float = _REPLY_WITHIN_S) -> Address:
        """Our address as the server sees it."""
        answer = await self._exchange(Method.BINDING, [], within_s=within_s)
        return _needed(answer, Name.XOR_MAPPED_ADDRESS)

    async def allocate(self, *, family: int = 4) -> Address:
        """The relay's address for us."""
        answer = await self._authenticated(Method.ALLOCATE, stun.allocate_attributes(family))
        return _needed(answer, Name.XOR_RELAYED_ADDRESS)

    async def refresh(self, lifetime_s: int) -> int:
        """The lifetime that the server grants; 0 gives the allocation back."""
        lifetime = (Name.LIFETIME, lifetime_s.to_bytes(4, "big"))
        answer = await self._authenticated(Method.REFRESH, [lifetime])
        return answer.number(Name.LIFETIME) or 0

    async def permit(self, peer: Address) -> None:
        """From now on packets of this host come through."""
        transaction_id = stun.transaction_id_make()
        attribute = stun.address_attribute(Name.XOR_PEER_ADDRESS, peer, transaction_id)
        await self._authenticated(Method.CREATE_PERMISSION, [attribute], transaction_id=transaction_id)

    def send(self, peer: Address, data: bytes) -> None:
        transaction_id = stun.transaction_id_make()
        attribute = stun.address_attribute(Name.XOR_PEER_ADDRESS, peer, transaction_id)
        self._wire.send(
            stun.write(Method.SEND, Kind.INDICATION, transaction_id, [attribute, (Name.DATA, data)])
        )

    async def receive(self, *, within_s: float = _REPLY_WITHIN_S) -> tuple[Address, bytes]:
        """The next packet of a peer. Raises TimeoutError."""
        async with asyncio.timeout(within_s):
            while self._arrived.empty():
                self._take(await self._wire.waiting.get())
            return self._arrived.get_nowait()

    async def _authenticated(
        self, method: Method, attributes: Sequence[Attribute], *, transaction_id: bytes | None = None
    ) -> StunMessage:
        """The first request is without a key, so that the server names its realm (RFC 8489 section 9.2)."""
        try:
            return await self._exchange(method, attributes, transaction_id=transaction_id)
        except _ChallengedError as challenge:
            answer = challenge.answer
            is_refused = self._key is not None and answer.error_code == _UNAUTHORIZED
            if is_refused or Name.NONCE not in answer.attributes:
                raise TurnError(answer.error_code) from None
            self._answer_to(answer)
        try:
            return await self._exchange(method, attributes, transaction_id=transaction_id)
        except _ChallengedError as challenge:
            raise TurnError(challenge.answer.error_code) from None

    def _answer_to(self, answer: StunMessage) -> None:
        known = dict(self._auth)
        realm = answer.attributes.get(Name.REALM, known.get(Name.REALM, b""))
        self._auth = [
            (Name.USERNAME, self._username.encode()),
            (Name.REALM, realm),
            (Name.NONCE, answer.attributes[Name.NONCE]),
        ]
        self._key = stun.long_term_key(self._username, realm.decode("utf-8", "replace"), self._credential)

    async def _exchange(
        self,
        method: Method,
        attributes: Sequence[Attribute],
        *,
        transaction_id: bytes | None = None,
        within_s: float = _REPLY_WITHIN_S,
    ) -> StunMessage:
        transaction_id = transaction_id or stun.transaction_id_make()
        own = [] if method is Method.BINDING else self._auth
        key = None if method is Method.BINDING else self._key
        data = stun.write(method, Kind.REQUEST, transaction_id, [*attributes, *own], key=key)
        answer = await self._answered(data, transaction_id, within_s)
        if answer.error_code in (_UNAUTHORIZED, _STALE_NONCE):
            raise _ChallengedError(answer)
        if answer.kind == Kind.ERROR:
            raise TurnError(answer.error_code)
        return answer

    async def _answered(self, data: bytes, transaction_id: bytes, within_s: float) -> StunMessage:
        wait_s = _FIRST_WAIT_S
        async with asyncio.timeout(within_s):
            self._wire.send(data)
            while True:
                try:
                    async with asyncio.timeout(None if self._wire.is_reliable else wait_s):
                        message = await self._wire.waiting.get()
                except TimeoutError:
                    wait_s *= 2
                    self._wire.send(data)
                    continue
                if message.transaction_id == transaction_id and message.kind != Kind.INDICATION:
                    return message
                self._take(message)

    def _take(self, message: StunMessage) -> None:
        peer, data = message.address(Name.XOR_PEER_ADDRESS), message.attributes.get(Name.DATA)
        if message.method == Method.DATA and peer is not None and data is not None:
            with contextlib.suppress(asyncio.QueueFull):
                self._arrived.put_nowait((peer, data))


class _ChallengedError(Exception):
    def __init__(self, answer: StunMessage) -> None:
        super().__init__()
        self.answer = answer


@asynccontextmanager
async def turn_open(
    server: Server, *, username: str = "", credential: str = "", tls: ssl.SSLContext | None = None
) -> AsyncIterator[TurnClient]:
    """Connect, and disconnect at the end. Raises OSError, which ssl.SSLError and TimeoutError are too."""
    if server.transport == "udp":
        loop = asyncio.get_running_loop()
        transport, datagrams = await loop.create_datagram_endpoint(
            _Datagrams, remote_addr=(server.host, server.port)
        )
        try:
            yield TurnClient(datagrams, username=username, credential=credential)
        finally:
            transport.close()
        return
    context = (tls or ssl.create_default_context()) if server.transport == "tls" else None
    async with asyncio.timeout(_REPLY_WITHIN_S):
        reader, writer = await asyncio.open_connection(server.host, server.port, ssl=context)
    stream = _Stream(reader, writer)
    reading = asyncio.create_task(stream.read_all(), name="turn.read")
    try:
        yield TurnClient(stream, username=username, credential=credential)
    finally:
        # Both before the first await, at which a cancellation may come.
        reading.cancel()
        writer.close()
        await asyncio.gather(reading, return_exceptions=True)
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _needed(answer: StunMessage, name: Name) -> Address:
    address = answer.address(name)
    if address is None:
        raise TurnError(0)
    return address
