"""Direct routes: from one sender to the one who hears him as he is, past the interpreter (`media.connection.direct`).

A route is opened by the general way when it has just passed a packet on and sees that nothing else is to be done with
the next ones. While it is open its numbers live in a table. `settle` writes them back to the objects that own
them; `drop` settles and ends it. Whoever changes anything on the way drops it, and the general way goes on from there.
"""

import asyncio
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from pylibsrtp._binding import ffi

from media.connection import tables
from media.connection.datagrams import LIBC, BatchedDatagrams, Block, Datagrams, Key, Slots, datagrams
from media.connection.guard import counters
from media.connection.line import RtpLine
from media.packets import MicPacket

_RECORDED, _REFUSED, _IS_SETTLED = (
    tables.ROUTE_NAMES.index(name) for name in ("recorded_bytes", "refused", "is_settled")
)
_RECORD: Final = struct.Struct("=dIHH")  # tables.RECORD


class Speaker(Protocol):
    """Whose packets pass: `media.connection.rtp.PacketReceiver`."""

    srtp: Any
    heard_at_s: float | None
    route: "Route | None"

    @property
    def streams(self) -> Mapping[int, Any]: ...

    @property
    def home(self) -> Any: ...


class Listener(Protocol):
    """Who hears them: `media.connection.rtp.PacketSender`."""

    srtp: Any
    payload_type: int | None
    line: RtpLine
    route: "Route | None"
    _ssrc: int

    @property
    def lane(self) -> Any: ...

    def is_aimed(self) -> bool: ...


@dataclass(frozen=True, kw_only=True)
class Way:
    """What becomes of one speaker's packets while they only pass."""

    sender: Listener
    record: Callable[[MicPacket], None] | None
    forwarded: Callable[[float], None]  # told when the newest packet was, before anybody else looks


class RoutedDatagrams(BatchedDatagrams):
    """A port whose usual packets are forwarded before Python hears of them; it gets the rest."""

    def __init__(self, sock: socket.socket, libc: Any, routes: "Routes", number: int) -> None:
        incoming, outgoing, routed = routes.memory(number)
        super().__init__(sock, libc, (incoming, outgoing))
        self._routes, self.number = routes, number
        self._block = Block(routed, self.name_bytes)
        self._fill(routes.tables.ports[number])

    def close(self) -> None:
        self._routes.tables.ports[self.number]["fd"] = -1

    def _fill(self, row: Any) -> None:
        row["key_bytes"], row["name_bytes"] = self.key_bytes, self.name_bytes
        row["in_slots"], row["in_headers"] = self.block_in.slots_at, self.block_in.headers_at
        row["in_names"] = self.block_in.names_at
        row["out_slots"], row["out_headers"] = self._block.slots_at, self._block.headers_at
        row["out_iovecs"], row["out_names"] = self._block.iovecs_at, self._block.names_at
        row["left"] = row["paused"] = row["waiting"] = row["received"] = 0
        row["fd"] = self.fd

    def receive(self) -> list[tuple[int, Key, int]]:
        routes, number = self._routes, self.number
        if not routes.left_counts[number]:
            return super().receive()
        (left,) = routes.tables.left[number, : routes.tables.ports["received"][number]].nonzero()
        routes.left_counts[number] = 0
        return self.received(left.tolist())


class Route:
    """One row of the table. `stream` and `sender.line` are the speaker's and the listener's numbers."""

    def __init__(self, routes: "Routes", number: int, receiver: Speaker, way: Way, ssrc: int) -> None:
        self._routes, self._number, self._way = routes, number, way
        self._row, self._records = routes.tables.routes[number], routes.tables.records[number]
        self._receiver, self._sender, self._source = receiver, way.sender, (id(receiver), ssrc)
        self.ssrc = ssrc
        self._owners: tuple[tuple[str, tuple[str, ...], Any], ...] = (
            ("stream", tables.STREAM, receiver.streams[ssrc]),
            ("receiver", tables.RECEIVER, receiver),
            ("line", tables.LINE, way.sender.line),
            ("sender", tables.SENDER, way.sender),
        )
        self._fields = [
            (tables.ROUTE_NAMES.index(tables.field(kind, name)), owner, name)
            for kind, names, owner in self._owners
            for name in names
        ]
        self._sessions = receiver.srtp, way.sender.srtp  # not to be freed before this ends

    def fill(self, *, payload_type: int) -> None:
        receiver, sender, row = self._receiver, self._sender, self._row
        row["ssrc"], row["payload_type"] = self._source[1], payload_type
        row["unprotect"], row["protect"] = (int(ffi.cast("uintptr_t", one)) for one in self._sessions)
        row["is_recorded"], row["recorded_bytes"] = self._way.record is not None, 0
        row["refused"], row["is_settled"] = 0, 1
        row["in_port"], row["out_port"] = number_of(receiver.home), number_of(sender.lane)
        row["out_payload_type"], row["out_ssrc"] = sender.payload_type, sender._ssrc
        for place, owner, name in self._fields:
            row[place] = getattr(owner, name)
        row["line_number_offset"] &= 0xFFFF
        row["line_timestamp_offset"] &= 0xFFFF_FFFF
        row["state"] = tables.OPEN

    def settle(self) -> None:
        """Write back what was counted, and hand over what was kept."""
        values = self._row.item()
        if values[_IS_SETTLED]:
            return
        for place, owner, name in self._fields:
            setattr(owner, name, values[place])
        counters.packets_dropped += values[_REFUSED]
        self._row["refused"], self._row["is_settled"] = 0, 1
        self._way.forwarded(self._receiver.heard_at_s or 0.0)
        kept = values[_RECORDED]
        if kept and self._way.record is not None:
            self._row["recorded_bytes"] = 0
            for packet in _packets(self._records[:kept].tobytes(), self._source):
                self._way.record(packet)

    def drop(self) -> None:
        """The next packet takes the general way."""
        if self._receiver.route is self:
            self._receiver.route = self._sender.route = None
            self.settle()
            self._routes.free(self._number)


class Routes:
    """All routes of one event loop."""

    def __init__(self) -> None:
        self.tables = tables.tables()
        self._addresses = tables.addresses(self.tables)
        self.at = int(self._addresses.ctypes.data)  # for the compiled functions
        self._index = tables.index_routes()
        self._fds, self.left_counts = self.tables.ports["fd"], self.tables.ports["left"]  # views, by port
        self._open: dict[int, Route] = {}
        self._memory: dict[int, tuple[Slots, Slots, Slots]] = {}

    def memory(self, number: int) -> tuple[Slots, Slots, Slots]:
        """Of a port's place in the tables, for one port after the other: what comes in, goes out, and is routed.

        With memory of its own for each port a process would grow until its garbage is collected.
        """
        if number not in self._memory:
            self._memory[number] = Slots(), Slots(), Slots()
        return self._memory[number]

    def datagrams(self, sock: socket.socket) -> Datagrams:
        """Those of a port; without direct routes where there is no room for more ports."""
        free = np.flatnonzero(self.tables.ports["fd"] < 0)
        if LIBC is None or not free.size:
            return datagrams(sock)
        return RoutedDatagrams(sock, LIBC, self, int(free[0]))

    def left(self) -> list[int]:
        """Descriptors of the ports that have something for Python."""
        ports = zip(self._fds.tolist(), self.left_counts.tolist(), strict=True)
        return [fd for fd, left in ports if fd >= 0 and left > 0]

    def open(self, receiver: Speaker, way: Way, *, ssrc: int, payload_type: int) -> None:
        """Nothing where there is no room, or where a part of the way is not as it has to be."""
        number = next((n for n in range(tables.ROUTES) if n not in self._open), None)
        if number is None or not _is_direct(receiver, way.sender, ssrc) or self._is_known(ssrc):
            return
        if way.sender.route is not None:
            way.sender.route.drop()
        route = Route(self, number, receiver, way, ssrc)
        names = self.tables.names[number]
        for place, lane in enumerate((receiver.home, way.sender.lane)):
            key = np.frombuffer(lane.remote, np.uint8)
            names[place, : key.size] = key
        route.fill(payload_type=payload_type)
        self._open[number] = route
        receiver.route = way.sender.route = route
        self._index(self.at)

    def free(self, number: int) -> None:
        del self._open[number]
        self.tables.routes[number]["state"] = tables.FREE
        self._index(self.at)

    def _is_known(self, ssrc: int) -> bool:
        return any(route.ssrc == ssrc for route in self._open.values())


def number_of(lane: Any) -> int | None:
    """Of a lane's port in the tables; None where it is not in them."""
    io = None if lane is None else lane.port.io
    return io.number if isinstance(io, RoutedDatagrams) else None


def _is_direct(receiver: Speaker, sender: Listener, ssrc: int) -> bool:
    """Whether both ends stand, on ports of the table, and the listener's line follows this speaker."""
    return (
        receiver.route is None
        and number_of(receiver.home) is not None
        and sender.is_aimed()
        and number_of(sender.lane) is not None
        and sender.line.follows((id(receiver), ssrc))
    )


def _packets(records: bytes, source: tuple[int, int]) -> list[MicPacket]:
    packets, at = [], 0
    while at < len(records):
        arrival_s, timestamp, number, size = _RECORD.unpack_from(records, at)
        payload = records[at + _RECORD.size : at + _RECORD.size + size]
        packets.append(MicPacket(source, number, timestamp, arrival_s, payload))
        at += _RECORD.size + (size + 7) // 8 * 8
    return packets


def routes_of(loop: asyncio.AbstractEventLoop) -> Routes | None:
    """None where the loop cannot forward."""
    found = getattr(loop, "routes", None)
    return found if isinstance(found, Routes) else None
