"""One UDP port for all calls: who gets what comes in, and what is dropped there."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aioice import stun
from aioice.ice import StunProtocol

from media.connection import ports as module
from media.connection.datagrams import Address, Slots
from media.connection.guard import counters
from media.connection.ports import MAX_ADDRESSES, Lane, Port, Ports, ports

pytestmark = pytest.mark.unit

DTLS = b"\x16" + bytes(40)
RTP = b"\x80\x60\x00\x01" + bytes(4) + (7).to_bytes(4, "big") + bytes(40)


class FakeResident:
    """A connection that only notes what reaches it."""

    def __init__(self, name: str) -> None:
        self.local_username, self.local_password = name, f"password of {name} 0123456789"
        self.data: list[bytes] = []
        self.requests: list[Address] = []
        self.heard: list[Address] = []
        self.takes = True
        self.packets: list[int] = []

    def data_received(self, data: bytes, component: int) -> None:
        self.data.append(data)

    def request_received(self, message: Any, addr: Address, protocol: Any) -> None:
        self.requests.append(addr)

    def protocol_lost(self, protocol: Any) -> None:
        """Of no interest here."""

    def heard_from(self, lane: Lane, address: Address) -> None:
        self.heard.append(address)

    def take(self, slots: Slots, n: int, length: int, now_s: float) -> bool:
        self.packets.append(length)
        return self.takes


def check(resident: FakeResident, *, password: str | None = None) -> bytes:
    """A STUN request as the other end of this connection would send it."""
    message = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
    message.attributes["USERNAME"] = f"{resident.local_username}:them"
    message.attributes["PRIORITY"] = 1
    message.add_message_integrity((password or resident.local_password).encode())
    return bytes(message)


class House:
    """A port with two connections, and sockets outside."""

    def __init__(self) -> None:
        self.port: Port = ports().open("127.0.0.1")
        self.anna, self.ben = FakeResident("anna"), FakeResident("ben")
        self.lanes = [self.port.enter(StunProtocol(one), one) for one in (self.anna, self.ben)]  # type: ignore[arg-type]
        self.sockets: list[socket.socket] = []

    def outside(self) -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 0))
        self.sockets.append(sock)
        return sock

    async def send(self, sock: socket.socket, *datagrams: bytes) -> None:
        """Loopback delivers before `sendto` returns; two turns of the loop are enough to read it."""
        for data in datagrams:
            sock.sendto(data, self.port.address)
        for _ in range(3):
            await asyncio.sleep(0)


@pytest_asyncio.fixture
async def house() -> AsyncIterator[House]:
    house = House()
    yield house
    for lane in house.lanes:
        lane.close()
    for sock in house.sockets:
        sock.close()
    await asyncio.sleep(0)


async def test_a_strangers_datagrams_are_counted_and_dropped(house: House) -> None:
    before, odd = counters.strangers_dropped, counters.datagrams_dropped
    datagrams = [DTLS, RTP, b"\xff" * 30, check(house.anna, password="a wrong one, long enough"), bytes(30)]
    await house.send(house.outside(), *datagrams, check(FakeResident("carla")))
    assert counters.strangers_dropped == before + 6
    await house.send(house.outside(), b"", b"\x16", bytes(1501))
    assert counters.datagrams_dropped == odd + 3
    assert not any((one.data, one.requests) != ([], []) for one in (house.anna, house.ben))


async def test_a_check_with_the_right_password_opens_the_way_for_its_address(house: House) -> None:
    sock = house.outside()
    await house.send(sock, check(house.anna), DTLS, DTLS)
    assert house.anna.requests == [sock.getsockname()]
    assert house.anna.data == [DTLS, DTLS]
    assert house.ben.data == []


async def test_two_calls_of_one_host_are_told_apart(house: House) -> None:
    first, second = house.outside(), house.outside()
    await house.send(first, check(house.anna))
    await house.send(second, check(house.ben))
    await house.send(first, DTLS + b"a")
    await house.send(second, DTLS + b"b")
    assert (house.anna.data, house.ben.data) == ([DTLS + b"a"], [DTLS + b"b"])


async def test_an_address_that_another_connection_proves_to_have_is_that_ones(house: House) -> None:
    sock = house.outside()
    await house.send(sock, check(house.anna), check(house.ben), DTLS)
    assert (house.anna.data, house.ben.data) == ([], [DTLS])


async def test_an_answer_finds_its_question(house: House) -> None:
    sock = house.outside()
    sock.setblocking(False)
    question = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
    asked = asyncio.ensure_future(house.lanes[0].protocol.request(question, sock.getsockname()))
    data = await asyncio.get_running_loop().sock_recv(sock, 2048)
    answer = stun.Message(
        message_method=stun.Method.BINDING,
        message_class=stun.Class.RESPONSE,
        transaction_id=stun.parse_message(data).transaction_id,
    )
    await house.send(sock, bytes(answer))
    _, address = await asked
    assert address == sock.getsockname()


async def test_a_broken_stun_message_costs_one_datagram(house: House) -> None:
    sock, before = house.outside(), counters.datagrams_dropped
    await house.send(sock, check(house.anna))
    short = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
    broken = bytes(short)[:2] + b"\x00\x06" + bytes(short)[4:] + b"\x00\x24\x00\x02\x00\x00"
    await house.send(sock, broken, DTLS)
    assert counters.datagrams_dropped == before + 1
    assert house.anna.data == [DTLS]


async def test_rtp_takes_the_short_way_and_rtcp_its_own(house: House) -> None:
    lane, sock, reports = house.lanes[0], house.outside(), FakeResident("reports")
    lane.rtp, lane.rtcp = house.anna.take, reports.take
    await house.send(sock, check(house.anna), RTP, b"\x80\xc9" + bytes(30))
    assert house.anna.packets == [len(RTP)]
    assert reports.packets == [32]
    assert house.anna.data == []


async def test_a_sender_whose_address_changes_is_known_by_its_packets(house: House) -> None:
    lane, sock, elsewhere = house.lanes[0], house.outside(), house.outside()
    lane.rtp = house.anna.take
    lane.add_source(7)
    await house.send(sock, check(house.anna), RTP)
    await house.send(elsewhere, RTP)
    assert house.anna.heard[-1] == elsewhere.getsockname()
    before, house.anna.takes = counters.strangers_dropped, False
    await house.send(elsewhere, RTP)
    assert len(house.anna.heard) == 2
    assert counters.strangers_dropped == before + 1


async def test_what_its_own_end_sends_from_the_chosen_address_is_no_news(house: House) -> None:
    lane, sock = house.lanes[0], house.outside()
    lane.rtp = house.anna.take
    await house.send(sock, check(house.anna))
    lane.sendto(DTLS, sock.getsockname())
    await house.send(sock, RTP)
    assert house.anna.packets == [len(RTP)]
    assert house.anna.heard == []


async def test_a_connection_remembers_few_addresses(house: House) -> None:
    for _ in range(MAX_ADDRESSES + 5):
        await house.send(house.outside(), check(house.anna))
    assert len(house.lanes[0].addresses) == MAX_ADDRESSES
    await house.send(house.sockets[0], DTLS)
    await house.send(house.sockets[-1], DTLS)
    assert house.anna.data == [DTLS]


async def test_the_port_is_closed_with_its_last_connection() -> None:
    port = ports().open("127.0.0.1")
    lanes = [port.enter(StunProtocol(one), one) for one in (FakeResident("a"), FakeResident("b"))]  # type: ignore[arg-type]
    lanes[0].close()
    assert ports().open("127.0.0.1") is port
    lanes[1].close()
    lanes[1].close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(port.address)


async def test_a_second_worker_takes_the_next_port(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        taken = other.getsockname()[1]
        monkeypatch.setattr(Ports, "first", taken)
        port = module.ports().open("127.0.0.1")
        resident = FakeResident("anna")
        lane = port.enter(StunProtocol(resident), resident)  # type: ignore[arg-type]
        assert taken < port.address[1] <= taken + 8
        lane.close()
