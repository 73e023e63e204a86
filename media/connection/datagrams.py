"""Many datagrams in one system call: recvmmsg and sendmmsg by ctypes, or plain calls where libc lacks them.

Both kinds read into and send from slots of one block of memory, so that a packet is decrypted, rewritten and
encrypted where it lies. A sender or receiver is known by its *key*: the beginning of its socket address as the
kernel writes it, which is a dictionary's key without being taken apart.
"""

import ctypes
import socket
import struct
import sys
from typing import Any, Final, Protocol

from pylibsrtp._binding import ffi

SLOTS: Final = 64
SLOT_BYTES: Final = 2048  # an Ethernet frame, and room for an SRTP tag

Key = bytes
Address = tuple[str, int]

# struct mmsghdr, iovec and the socket addresses of 64-bit Linux (recvmmsg(2), ip(7), ipv6(7)).
_HEADER: Final = struct.Struct("@PI4xPNPNi4xI4x")
_HEADER_BYTES: Final = 64
_AT_ONCE: Final = int(socket.MSG_DONTWAIT)
_WAITING: Final = int(socket.MSG_DONTWAIT | socket.MSG_TRUNC)
_LENGTH_AT: Final = 56
_IOVEC_BYTES: Final = 16
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

    def receive(self) -> list[tuple[Key, int]]:
        """What waits, at most `SLOTS`: sender and length of what now lies in the incoming slots, in their order.

        A length over `SLOT_BYTES` is that of a datagram that was cut.
        """
        ...

    def put(self, length: int, key: Key) -> None:
        """The next outgoing slot, number `waiting`, is filled. It leaves with `flush`, or when all slots are full."""
        ...

    def flush(self) -> None: ...

    @property
    def waiting(self) -> int: ...


class PlainDatagrams:
    """One system call per datagram."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self.incoming, self.outgoing = Slots(), Slots()
        self.sends_failed = 0
        self.waiting = 0  # nothing ever waits

    def receive(self) -> list[tuple[Key, int]]:
        found: list[tuple[Key, int]] = []
        for n in range(SLOTS):
            begin = n * SLOT_BYTES
            try:
                length, address = self._socket.recvfrom_into(self.incoming.view[begin : begin + SLOT_BYTES])
            except (BlockingIOError, InterruptedError):
                break
            found.append((key_of(address), length))
        return found

    def put(self, length: int, key: Key) -> None:
        try:
            self._socket.sendto(self.outgoing.view[:length], address_of(key))
        except OSError:
            self.sends_failed += 1

    def flush(self) -> None:
        """Nothing waits."""


class BatchedDatagrams:
    """Up to `SLOTS` datagrams per system call."""

    def __init__(self, sock: socket.socket, libc: Any) -> None:
        self._fd = sock.fileno()
        self._receive, self._send = libc.recvmmsg, libc.sendmmsg
        self._key_bytes = _KEY_BYTES[sock.family]
        self._name_bytes = _NAME_BYTES[sock.family]
        self.incoming, self.outgoing = Slots(), Slots()
        self._in = _Block(self.incoming, self._name_bytes)
        self._out = _Block(self.outgoing, self._name_bytes)
        self.waiting = 0
        self.sends_failed = 0

    def receive(self) -> list[tuple[Key, int]]:
        block = self._in
        count = self._receive(self._fd, block.headers_at, SLOTS, _WAITING, None)
        if count <= 0:
            return []
        lengths, step, size = block.lengths, self._name_bytes, self._key_bytes
        names = block.names_view[: count * step].tobytes()
        return [(names[n * step : n * step + size], lengths[n * 16 + 14]) for n in range(count)]

    def put(self, length: int, key: Key) -> None:
        block, n = self._out, self.waiting
        begin = n * self._name_bytes
        block.names_view[begin : begin + self._key_bytes] = key
        block.sizes[2 * n + 1] = length
        self.waiting = n + 1
        if self.waiting == SLOTS:
            self.flush()

    def flush(self) -> None:
        done, count, self.waiting = 0, self.waiting, 0
        while done < count:
            at = self._out.headers_at + done * _HEADER_BYTES
            sent = self._send(self._fd, at, count - done, _AT_ONCE)
            if sent < 0:  # the first of them cannot be sent: no route, a full queue
                self.sends_failed += 1
                sent = 1
            done += sent


class _Block:
    """The message headers for a block of slots, and room for as many socket addresses."""

    def __init__(self, slots: Slots, name_bytes: int) -> None:
        self._headers = ctypes.create_string_buffer(SLOTS * _HEADER_BYTES)
        self._iovecs = ctypes.create_string_buffer(SLOTS * _IOVEC_BYTES)
        self._names = ctypes.create_string_buffer(SLOTS * name_bytes)
        self.headers_at = ctypes.addressof(self._headers)
        first_slot = int(ffi.cast("uintptr_t", slots.memory))
        iovecs_at, names_at = ctypes.addressof(self._iovecs), ctypes.addressof(self._names)
        for n in range(SLOTS):
            struct.pack_into("@PN", self._iovecs, n * _IOVEC_BYTES, first_slot + n * SLOT_BYTES, SLOT_BYTES)
            header = (names_at + n * name_bytes, name_bytes, iovecs_at + n * _IOVEC_BYTES, 1, 0, 0, 0, 0)
            _HEADER.pack_into(self._headers, n * _HEADER_BYTES, *header)
        self.lengths = memoryview(self._headers).cast("B").cast("I")
        self.sizes = memoryview(self._iovecs).cast("B").cast("Q")
        self.names_view = memoryview(self._names).cast("B")


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


_LIBC: Final = _libc()


def datagrams(sock: socket.socket) -> Datagrams:
    """The fastest that this machine has."""
    return PlainDatagrams(sock) if _LIBC is None else BatchedDatagrams(sock, _LIBC)
