"""The device's guard, and the private names of aiortc 1.16 and aioice on which it and `agent.peer` lean."""

import inspect
from importlib.metadata import version
from typing import Any

import pytest
from aioice.ice import Connection, StunProtocol
from aiortc import RTCPeerConnection
from aiortc.rtcdtlstransport import RTCDtlsTransport

from agent import guard

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def installed(bare: None) -> None:
    guard.install()


def test_it_is_pinned_to_the_version_that_was_read() -> None:
    assert version("aiortc").startswith("1.16.")


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (RTCPeerConnection, ["_RTCPeerConnection__certificates", "_RTCPeerConnection__connect"]),
        (RTCDtlsTransport, ["_handle_rtcp_data", "_handle_rtp_data"]),
        (Connection, ["_check_list", "_nominated", "_query_consent_task", "_queue", "data_received"]),
        (StunProtocol, ["datagram_received", "receiver"]),
    ],
)
def test_the_names_we_lean_on_are_still_there(kind: type, names: list[str]) -> None:
    code = [function.__code__ for _, function in inspect.getmembers(kind, inspect.isfunction)]
    known = set(dir(kind)) | {name for c in code for name in c.co_names}
    assert not set(names) - known


class _Pair:
    remote_addr = ("192.0.2.1", 4000)
    task = None


async def _socket() -> tuple[Connection, StunProtocol]:
    connection = Connection(ice_controlling=True)
    pairs: list[Any] = connection._check_list
    pairs.append(_Pair())
    protocol = StunProtocol(connection)
    protocol.local_candidate = type("Candidate", (), {"component": 1})()
    return connection, protocol


async def test_what_a_stranger_sends_never_reaches_the_queue() -> None:
    connection, protocol = await _socket()
    before = guard.counters.datagrams_dropped
    for data in (b"", b"\x80packet", bytes([22]) + bytes(100), b"\xff" * 1400):
        protocol.datagram_received(data, ("198.51.100.7", 4000))
    assert connection._queue.empty()
    assert guard.counters.datagrams_dropped == before + 4
    protocol.datagram_received(b"\x80packet", _Pair.remote_addr)
    assert connection._queue.qsize() == 1
    await connection.close()


async def test_the_hub_too_sends_no_empty_nor_giant_datagrams() -> None:
    connection, protocol = await _socket()
    for data in (b"", b"\x80" * 1501):
        protocol.datagram_received(data, _Pair.remote_addr)
    assert connection._queue.empty()
    await connection.close()


async def test_the_queue_of_datagrams_is_bounded() -> None:
    connection, protocol = await _socket()
    for _ in range(guard.MAX_QUEUED_DATAGRAMS + 100):
        protocol.datagram_received(b"\x80packet", _Pair.remote_addr)
    assert connection._queue.qsize() == guard.MAX_QUEUED_DATAGRAMS
    await connection.close()


async def test_a_packet_that_cannot_be_read_is_dropped_and_the_connection_goes_on() -> None:
    class Transport:
        pass

    async def parse(_transport: object, data: bytes) -> None:
        raise IndexError(data)

    before = guard.counters.packets_dropped
    transport = Transport()
    await guard._guard_packets(parse, is_rtp=True)(transport, b"x")
    assert guard.counters.packets_dropped == before + 1
    assert guard.heard(transport).rtp_count == 1


async def test_the_end_of_the_connection_is_not_swallowed() -> None:
    async def end(_transport: object, data: bytes) -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await guard._guard_packets(end, is_rtp=False)(type("Transport", (), {})(), b"x")


def test_installing_twice_wraps_once() -> None:
    first = StunProtocol.datagram_received
    guard.install()
    assert StunProtocol.datagram_received is first
