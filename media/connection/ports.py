"""One UDP port for all calls of a worker: what comes in is handed to the connection that it is for.

A known address belongs to the connection that proved to live there: by a STUN request with its password, or by
being the end that ICE chose. From any other address only STUN is read, and a packet of a known sender whose
encryption holds (its network changed; see `media.connection.ice`). The rest is dropped here, before any queue.
"""

import asyncio
import errno
import os
import socket
import time
from collections.abc import Callable
from typing import Any, Final, Protocol
from weakref import WeakKeyDictionary

from aioice import stun
from aioice.ice import StunProtocol

from media.connection.addresses import HostAddresses
from media.connection.datagrams import (
    SLOT_BYTES,
    SLOTS,
    Address,
    Datagrams,
    Key,
    Slots,
    address_of,
    datagrams,
    key_of,
)
from media.connection.guard import MAX_DATAGRAM_BYTES, counters
from media.connection.routes import routes_of
from media.seldom import Seldom

MAX_ADDRESSES: Final = 16  # of one connection; the oldest is forgotten
PORTS_TRIED: Final = 64  # several workers on one host share a range
_BUFFER_BYTES: Final = 1 << 20
_MAX_BATCHES: Final = 4  # before everything else on the loop has its turn,
_MAX_TURN_S: Final = 0.005  # and fewer where they are costly: a batch of STUN can take 20 ms
_unreadable, _unsent = Seldom("stun_dropped"), Seldom("datagram_not_sent")
_COOKIE: Final = stun.COOKIE.to_bytes(4, "big")


class PacketHandler(Protocol):
    def __call__(self, slots: Slots, n: int, length: int, now_s: float) -> bool:
        """An encrypted packet in slot n. False: it is not what its sender would have sent."""
        ...


class Resident(Protocol):
    """Whose packets come through a lane."""

    @property
    def local_username(self) -> str: ...

    @property
    def local_password(self) -> str: ...

    def data_received(self, data: bytes, component: int) -> None: ...

    def request_received(self, message: Any, addr: Address, protocol: Any) -> None: ...

    def heard_from(self, lane: "Lane", address: Address) -> None:
        """An authentic packet came from an address to which nothing is sent yet."""
        ...


def _nothing() -> None:
    """There is no route that could end."""


class Lane:
    """The share that one ICE connection has of a port. aioice takes it for a transport of its own."""

    def __init__(self, port: "Port", protocol: StunProtocol, resident: Resident) -> None:
        self.port = port
        self.protocol = protocol
        self.resident = resident
        self.rtp: PacketHandler | None = None
        self.rtcp: PacketHandler | None = None
        self._remote: Key | None = None
        self.detour: Callable[[], None] = _nothing  # called when its addresses change
        self.addresses: dict[Key, None] = {}
        self.sources: set[int] = set()  # SSRC

    @property
    def remote(self) -> Key | None:
        """The end that ICE chose."""
        return self._remote

    @remote.setter
    def remote(self, key: Key | None) -> None:
        if key != self._remote:
            self._remote = key
            self.detour()

    def is_home(self) -> bool:
        """Whether what comes from the end that ICE chose is for this lane."""
        return self._remote is not None and self.port.lane_of(self._remote) is self

    def sendto(self, data: bytes, address: Address) -> None:
        self.port.sendto(self, data, address)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self.port.address if name == "sockname" else default

    def is_closing(self) -> bool:
        return self.protocol is None

    def handler(self, second_byte: int) -> PacketHandler | None:
        """Who takes it: RTP or RTCP by its second byte (RFC 5761 section 4)."""
        return self.rtcp if 192 <= second_byte <= 208 else self.rtp

    def add_source(self, ssrc: int) -> None:
        self.sources.add(ssrc)
        self.port.sources[ssrc] = self

    def close(self) -> None:
        self.port.leave(self)
        asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)


class Port:
    """One socket, and who is reached through it."""

    def __init__(self, host: str, ports: "Ports") -> None:
        self._ports = ports
        self._host = host
        self._socket = _bound(host, ports.first)
        self._socket.setblocking(False)
        self.address: Address = self._socket.getsockname()[:2]
        routes = ports.routes
        self.io: Datagrams = datagrams(self._socket) if routes is None else routes.datagrams(self._socket)
        self.transactions: dict[bytes, Any] = {}
        self.sources: dict[int, Lane] = {}
        self._lanes: dict[str, Lane] = {}
        self._routes: dict[Key, Lane] = {}
        ports.loop.add_reader(self._socket.fileno(), self._readable)

    # Connections

    def enter(self, protocol: StunProtocol, resident: Resident) -> Lane:
        lane = self._lanes[resident.local_username] = Lane(self, protocol, resident)
        # One dictionary for all, so that an answer finds its question.
        protocol.transactions = self.transactions
        protocol.connection_made(lane)  # type: ignore[arg-type]
        return lane

    def leave(self, lane: Lane) -> None:
        if self._lanes.pop(lane.resident.local_username, None) is None:
            return
        lane.detour()
        lane.rtp = lane.rtcp = None
        for key in lane.addresses:
            del self._routes[key]
        for ssrc in lane.sources:
            if self.sources.get(ssrc) is lane:
                del self.sources[ssrc]
        lane.addresses.clear()
        lane.sources.clear()
        if not self._lanes:
            self._close()

    def route(self, key: Key, lane: Lane) -> None:
        """What comes from this address is for that lane."""
        before = self._routes.get(key)
        if before is not None and before is not lane:
            before.addresses.pop(key, None)
            before.detour()
        self._routes[key] = lane
        lane.addresses[key] = None
        if len(lane.addresses) > MAX_ADDRESSES:
            oldest = next(address for address in lane.addresses if address != lane.remote)
            del lane.addresses[oldest], self._routes[oldest]

    def lane_of(self, key: Key) -> Lane | None:
        return self._routes.get(key)

    def sendto(self, lane: Lane, data: bytes, address: Address) -> None:
        """Send at once. An end to which more than STUN is sent is one that ICE chose."""
        try:
            if data[:1] > b"\x03" and (key := key_of(address)) != lane.remote:
                lane.remote = key
                if self._routes.get(key) is not lane:
                    self.route(key, lane)
            self._socket.sendto(data, address)
        except OSError as error:
            self.io.sends_failed += 1
            if error.errno in (errno.EBADF, errno.EINVAL):
                _unsent.warn(errno=error.errno)

    def flush_soon(self) -> None:
        """Packets wait in the outgoing slots."""
        self._ports.flush_soon(self)

    def _close(self) -> None:
        self.io.flush()
        self.io.close()
        self._ports.loop.remove_reader(self._socket.fileno())
        self._socket.close()
        self._ports.forget(self._host)

    # What comes in

    def _readable(self) -> None:
        began_s = time.monotonic()
        with self._ports:
            for _ in range(_MAX_BATCHES):
                batch = self.io.receive()
                self._take(batch)
                if len(batch) < SLOTS or time.monotonic() - began_s > _MAX_TURN_S:
                    break

    def _take(self, batch: list[tuple[int, Key, int]]) -> None:
        now_s = time.monotonic()
        routes, slots, view = self._routes, self.io.incoming, self.io.incoming.view
        for n, key, length in batch:
            at = n * SLOT_BYTES
            first, lane = view[at], routes.get(key)
            if not 12 < length <= MAX_DATAGRAM_BYTES:
                counters.datagrams_dropped += 1
            elif 127 < first < 192 and lane is not None and (take := lane.handler(view[at + 1])) is not None:
                if not take(slots, n, length, now_s):
                    counters.packets_dropped += 1
                elif key != lane.remote:
                    lane.resident.heard_from(lane, address_of(key))
            elif first < 4:
                self._stun(bytes(view[at : at + length]), key, lane)
            elif lane is not None:
                lane.resident.data_received(bytes(view[at : at + length]), 1)
            elif not self._moved(slots, n, length, now_s, key):
                counters.strangers_dropped += 1

    def _moved(self, slots: Slots, n: int, length: int, now_s: float, key: Key) -> bool:
        """A packet from an unknown address. True: it is that of a known sender, whose network changed."""
        at = n * SLOT_BYTES
        lane = self.sources.get(int.from_bytes(slots.view[at + 8 : at + 12], "big"))
        if lane is None or lane.rtp is None or not 127 < slots.view[at] < 192:
            return False
        if not lane.rtp(slots, n, length, now_s):
            return False
        lane.resident.heard_from(lane, address_of(key))
        return True

    def _stun(self, data: bytes, key: Key, lane: Lane | None) -> None:
        try:
            message = stun.parse_message(data) if data[4:8] == _COOKIE else None
            if message is None or not self._take_message(message, key, lane):
                counters.strangers_dropped += 1
        except Exception as error:  # noqa: BLE001 - aioice's parser has errors of many kinds: they cost this datagram alone
            counters.datagrams_dropped += 1
            _unreadable.warn(error=type(error).__name__)

    def _take_message(self, message: Any, key: Key, known: Lane | None) -> bool:
        """False: nobody here has to do with it."""
        if message.message_class is not stun.Class.REQUEST:
            transaction = self.transactions.get(message.transaction_id)
            if transaction is None:
                return False
            transaction.response_received(message, address_of(key))
            return True
        lane = self._lanes.get(str(message.attributes.get("USERNAME", "")).partition(":")[0])
        if lane is None:
            return False
        if lane is not known:
            if not message.check_message_integrity(lane.resident.local_password.encode()):
                return False
            self.route(key, lane)
        lane.resident.request_received(message, address_of(key), lane.protocol)
        return True


class Ports:
    """The ports of one event loop: one per local address, open while a connection uses it.

    As a context it collects what is sent within, and sends it at the end.
    """

    first = 0  # the number that is tried first; 0: any that is free

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.routes = routes_of(loop)
        self._hosts = HostAddresses()
        self._ports: dict[str, Port] = {}
        self._filled: list[Port] = []
        self._collecting = False

    def open(self, host: str) -> Port:
        """Raises OSError where nothing can be bound at this address."""
        port = self._ports.get(host)
        if port is None:
            port = Port(host, self)
            if not self._ports:
                self._hosts.watch()
            self._ports[host] = port
        return port

    def addresses(self) -> list[str]:
        """Those of this host at which connections can be."""
        return self._hosts.get()

    def forget(self, host: str) -> None:
        del self._ports[host]
        if not self._ports:
            self._hosts.close()

    def flush_soon(self, port: Port) -> None:
        if not self._filled and not self._collecting:
            self.loop.call_soon(self._flush)
        self._filled.append(port)

    def __enter__(self) -> None:
        self._collecting = True

    def __exit__(self, *error: object) -> None:
        self._collecting = False
        self._flush()

    def _flush(self) -> None:
        filled, self._filled = self._filled, []
        for port in filled:
            port.io.flush()


_PORTS: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, Ports]] = WeakKeyDictionary()


def ports() -> Ports:
    """Those of the running loop."""
    loop = asyncio.get_running_loop()
    found = _PORTS.get(loop)
    if found is None:
        found = _PORTS[loop] = Ports(loop)
    return found


def configure(first: int) -> None:
    """The UDP port that connections made from now on try first; 0: any. Others on this host may take the next ones."""
    Ports.first = first


def _bound(host: str, first: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        sock.setsockopt(socket.SOL_SOCKET, option, _BUFFER_BYTES)
    for number in range(first, first + PORTS_TRIED):
        try:
            sock.bind((host, number))
        except OSError as error:
            if error.errno == errno.EADDRINUSE and number < first + PORTS_TRIED - 1:
                continue
            sock.close()
            raise
        return sock
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
