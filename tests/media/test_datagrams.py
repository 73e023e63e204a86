"""Many datagrams in one system call, and the plain way that gives the same."""

import socket
from collections.abc import Callable, Iterator

import pytest

from media.connection import datagrams as module
from media.connection.datagrams import (
    SLOT_BYTES,
    SLOTS,
    BatchedDatagrams,
    Datagrams,
    PlainDatagrams,
    address_of,
    datagrams,
    key_of,
)

pytestmark = pytest.mark.unit

Kind = Callable[[socket.socket], Datagrams]


def batched(sock: socket.socket) -> Datagrams:
    return BatchedDatagrams(sock, module.LIBC)


@pytest.fixture(params=["127.0.0.1", "::1"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, socket.socket]]:
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as one, socket.socket(family, socket.SOCK_DGRAM) as other:
        for sock in (one, other):
            sock.bind((request.param, 0))
            sock.setblocking(False)
        yield one, other


def fill(io: Datagrams, data: bytes, key: bytes) -> None:
    begin = io.waiting * SLOT_BYTES
    io.outgoing.view[begin : begin + len(data)] = data
    io.put(len(data), key)


def read(io: Datagrams) -> list[tuple[bytes, bytes]]:
    return [
        (key, bytes(io.incoming.view[n * SLOT_BYTES : n * SLOT_BYTES + length]))
        for n, key, length in io.receive()
    ]


@pytest.mark.parametrize("kind", [batched, PlainDatagrams])
def test_datagrams_arrive_in_order_with_their_sender(
    kind: Kind, pair: tuple[socket.socket, socket.socket]
) -> None:
    one, other = kind(pair[0]), kind(pair[1])
    sent = [b"%d" % n * (n + 1) for n in range(5)]
    for data in sent:
        fill(one, data, key_of(pair[1].getsockname()))
    one.flush()
    assert one.waiting == 0
    assert read(other) == [(key_of(pair[0].getsockname()), data) for data in sent]
    assert read(other) == []


@pytest.mark.parametrize("kind", [batched, PlainDatagrams])
def test_more_than_the_slots_hold_go_out_and_come_in_by_portions(
    kind: Kind, pair: tuple[socket.socket, socket.socket]
) -> None:
    one, other = kind(pair[0]), kind(pair[1])
    for n in range(SLOTS + 3):
        fill(one, n.to_bytes(2, "big"), key_of(pair[1].getsockname()))
    one.flush()
    found = read(other)
    assert len(found) == SLOTS
    assert [int.from_bytes(data, "big") for _, data in found + read(other)] == list(range(SLOTS + 3))


def test_the_size_of_a_cut_datagram_is_known(pair: tuple[socket.socket, socket.socket]) -> None:
    io = batched(pair[1])
    pair[0].sendto(bytes(SLOT_BYTES + 500), pair[1].getsockname())
    assert [length for _, _, length in io.receive()] == [SLOT_BYTES + 500]


@pytest.mark.parametrize("kind", [batched, PlainDatagrams])
def test_one_that_cannot_be_sent_does_not_keep_the_others(kind: Kind) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other,
    ):
        for sock in (one, other):
            sock.bind(("127.0.0.1", 0))
            sock.setblocking(False)
        io = kind(one)
        fill(io, b"a", key_of(other.getsockname()))
        fill(io, b"b", key_of(("127.0.0.1", 0)))  # nobody has port 0
        fill(io, b"c", key_of(other.getsockname()))
        io.flush()
        assert io.sends_failed == 1
        assert [data for _, data in read(kind(other))] == [b"a", b"c"]


@pytest.mark.parametrize("address", [("192.0.2.7", 65535), ("2001:db8::7", 1)])
def test_a_key_is_an_address_as_the_kernel_writes_it(address: tuple[str, int]) -> None:
    assert address_of(key_of(address)) == address


def test_what_is_no_address_has_no_key() -> None:
    with pytest.raises(OSError, match="illegal IP address"):
        key_of(("not an address", 1))


def test_where_libc_has_no_batches_the_plain_way_serves(
    monkeypatch: pytest.MonkeyPatch, pair: tuple[socket.socket, socket.socket]
) -> None:
    assert isinstance(datagrams(pair[0]), BatchedDatagrams)
    monkeypatch.setattr(module, "LIBC", None)
    assert isinstance(datagrams(pair[0]), PlainDatagrams)
