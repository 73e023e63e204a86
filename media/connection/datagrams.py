"""Many datagrams in one system call: recvmmsg and sendmmsg by ctypes, or plain calls where libc lacks them.

Both kinds read into and send from slots of one block of memory, so that a packet is decrypted, rewritten and
encrypted where it lies. A sender or receiver is known by its *key*: the beginning of its socket address as the
kernel writes it, which is a dictionary's key without being taken apart.
"""

import ctypes
import socket
import struct
import sys
from collections.abc import Iterable
from typing import Any, Final, Protocol

import numpy as np
from pylibsrtp._binding import ffi

SLOTS: Final = 64
SLOT_BYTES: Final = 2048  # an Ethernet frame, and room for an SRTP tag

Key = bytes
Address = tuple[str, int]

# struct mmsghdr, iovec and the socket addresses of 64-bit Linux (recvmmsg(2), ip(7), ipv6(7)).
HEADER: Final = np.dtype(
    [
        ("name", "u8"),
        ("name_bytes", "u8"),
        ("iovecs", "u8"),
        ("iovec_count", "u8"),
        ("control", "u8"),
        ("control_bytes", "u8"),
        ("flags", "u8"),
        ("length", "u4"),
        ("padding", "u4"),
    ]
)
IOVEC: Final = np.dtype([("base", "u8"), ("length", "u8")])
AT_ONCE: Final = int(socket.MSG_DONTWAIT)
WAITING: Final = int(socket.MSG_DONTWAIT | socket.MSG_TRUNC)
_NAME_BYTES: Final = {socket.AF_INET: 16, socket.AF_INET6: 28}
_KEY_BYTES: Final = {socket.AF_INET: 8, socket.AF_INET6: 28}


def key_of(address: Address) -> Key:
    """Raises OSError for what is no IP address."""
    host, port = address[:2]
    if ":" in host:
        return struct.pack(
            "=H2sI16sI",
            socket.AF_INET6,
            port.to_bytes(2, "big"),
            0,
            socket.inet_pton(socket.AF_INET6, host),
            0,
        )
    return struct.pack("=H2s4s", socket.AF_INET, port.to_bytes(2, "big"), socket.inet_aton(host))


def address_of(key: Key) -> Address:
    port = int.from_bytes(key[2:4], "big")
    if len(key) == _KEY_BYTES[socket.AF_INET]:
        return socket.inet_ntop(socket.AF_INET, key[4:8]), port
    return socket.inet_ntop(socket.AF_INET6, key[8:24]), port


class Slots:
    """`SLOTS` places of `SLOT_BYTES` each: `pointers` for C, `view` for Python (place n begins at n * SLOT_BYTES)."""

    def __init__(self) -> None:
        self.memory = ffi.new("char[]", SLOTS * SLOT_BYTES)
        self.view = memoryview(ffi.buffer(self.memory)).cast("B")
        self.pointers = [self.memory + n * SLOT_BYTES for n in range(SLOTS)]


class Datagrams(Protocol):
    """Reads from and writes to one socket that does not block."""

    incoming: Slots
    outgoing: Slots
    sends_failed: int

    def receive(self) -> list[tuple[int, Key, int]]:
        """What waits, at most `SLOTS`: the slot in which it lies now, its sender and its length, in their order.

        A length over `SLOT_BYTES` is that of a datagram that was cut.
        """
        ...

    def put(self, length: int, key: Key) -> None:
        """The next outgoing slot, number `waiting`, is filled. It leaves with `flush`, or when all slots are full."""
        ...

    def flush(self) -> None: ...

    def close(self) -> None:
        """The socket is about to be closed."""
        ...

    @property
    def waiting(self) -> int: ...


class PlainDatagrams:
    """One system call per datagram."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self.incoming, self.outgoing = Slots(), Slots()
        self.sends_failed = 0
        self.waiting = 0  # nothing ever waits

    def receive(self) -> list[tuple[int, Key, int]]:
        found: list[tuple[int, Key, int]] = []
        for n in range(SLOTS):
            begin = n * SLOT_BYTES
            try:
                length, address = self._socket.recvfrom_into(self.incoming.view[begin : begin + SLOT_BYTES])
            except (BlockingIOError, InterruptedError):
                break
            found.append((n, key_of(address), length))
        return found

    def put(self, length: int, key: Key) -> None:
        try:
            self._socket.sendto(self.outgoing.view[:length], address_of(key))
        except OSError:
            self.sends_failed += 1

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing is kept."""


class BatchedDatagrams:
    """Up to `SLOTS` datagrams per system call. `slots`: for what comes in and goes out."""

    def __init__(self, sock: socket.socket, libc: Any, slots: tuple[Slots, Slots] | None = None) -> None:
        self.fd = sock.fileno()
        self._receive, self._send = libc.recvmmsg, libc.sendmmsg
        self.key_bytes, self.name_bytes = _KEY_BYTES[sock.family], _NAME_BYTES[sock.family]
        self.incoming, self.outgoing = slots or (Slots(), Slots())
        self.block_in = Block(self.incoming, self.name_bytes)
        self._out = Block(self.outgoing, self.name_bytes)
        self.waiting = 0
        self.sends_failed = 0

    def receive(self) -> list[tuple[int, Key, int]]:
        count = self._receive(self.fd, self.block_in.headers_at, SLOTS, WAITING, None)
        return self.received(range(count)) if count > 0 else []

    def received(self, slots: Iterable[int]) -> list[tuple[int, Key, int]]:
        """What lies in these slots, as `receive` tells it."""
        block, step, size = self.block_in, self.name_bytes, self.key_bytes
        lengths, names = block.lengths, block.names_view
        return [(n, names[n * step : n * step + size].tobytes(), lengths[n * 16 + 14]) for n in slots]

    def put(self, length: int, key: Key) -> None:
        block, n = self._out, self.waiting
        begin = n * self.name_bytes
        block.names_view[begin : begin + self.key_bytes] = key
        block.sizes[2 * n + 1] = length
        self.waiting = n + 1
        if self.waiting == SLOTS:
            self.flush()

    def flush(self) -> None:
        done, count, self.waiting = 0, self.waiting, 0
        while done < count:
            at = self._out.headers_at + done * HEADER.itemsize
            sent = self._send(self.fd, at, count - done, AT_ONCE)
            if sent < 0:  # the first of them cannot be sent: no route, a full queue
                self.sends_failed += 1
                sent = 1
            done += sent

    def close(self) -> None:
        """Nothing is kept."""


class Block:
    """The message headers for a block of slots, and room for as many socket addresses."""

    def __init__(self, slots: Slots, name_bytes: int) -> None:
        self._headers, self._iovecs = np.zeros(SLOTS, HEADER), np.zeros(SLOTS, IOVEC)
        self._names = np.zeros(SLOTS * name_bytes, np.uint8)
        self.slots_at = int(ffi.cast("uintptr_t", slots.memory))
        self.headers_at, self.iovecs_at = self._headers.ctypes.data, self._iovecs.ctypes.data
        self.names_at = self._names.ctypes.data
        steps = np.arange(SLOTS, dtype=np.uint64)
        self._iovecs["base"], self._iovecs["length"] = self.slots_at + steps * SLOT_BYTES, SLOT_BYTES
        self._headers["name"], self._headers["name_bytes"] = self.names_at + steps * name_bytes, name_bytes
        self._headers["iovecs"] = self.iovecs_at + steps * IOVEC.itemsize
        self._headers["iovec_count"] = 1
        self.lengths: Any = self._headers.view(np.uint32).data
        self.sizes: Any = self._iovecs.view(np.uint64).data
        self.names_view: Any = self._names.data


def _libc() -> Any:
    """libc with both calls, or None where it is another system's."""
    if not sys.platform.startswith("linux") or struct.calcsize("P") != 8:
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        receive, send = libc.recvmmsg, libc.sendmmsg
    except AttributeError:
        return None
    receive.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p]
    send.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int]
    return libc


LIBC: Final = _libc()


def datagrams(sock: socket.socket) -> Datagrams:
    """The fastest that this machine has."""
    return PlainDatagrams(sock) if LIBC is None else BatchedDatagrams(sock, LIBC)
