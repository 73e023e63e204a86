"""A packet from slot to slot: against libsrtp as pylibsrtp wraps it, over wraps of numbers and of SRTP's counter."""

import itertools
import os
import socket
import struct
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from aiortc.rtcdtlstransport import State
from pylibsrtp import Policy, Session

from media.connection.datagrams import SLOT_BYTES, Slots, datagrams, key_of
from media.connection.line import RtpLine
from media.connection.ports import Lane
from media.connection.rtp import PacketReceiver, PacketSender
from media.packets import MicPacket

pytestmark = pytest.mark.unit

KEY = os.urandom(30)


def session(kind: int) -> Session:
    policy = Policy(key=KEY, ssrc_type=kind)
    policy.window_size, policy.allow_repeat_tx = 1024, True
    return Session(policy)


def header(number: int, *, first: int = 0x80) -> bytes:
    return struct.pack("!BBHII", first, 111, number & 0xFFFF, number * 960 & 0xFFFF_FFFF, 9)


class Receiver:
    """A receiver without its connection, and the other end's libsrtp."""

    def __init__(self) -> None:
        self.theirs = session(Policy.SSRC_ANY_OUTBOUND)
        self.ours = session(Policy.SSRC_ANY_INBOUND)
        self.slots = Slots()
        self.heard: list[MicPacket] = []
        receiver: Any = PacketReceiver.__new__(PacketReceiver)
        receiver.__dict__.update(
            on_packet=self.heard.append, lane=None, srtp=self.ours._srtp[0], heard_at_s=None,
            packets_received=0, packets_dropped=0, bytes_received=0, credit=100, credit_until_s=0.0,
            route=None, routes=None,
            payload_type=111, streams={},
        )  # fmt: skip
        self.receiver: PacketReceiver = receiver

    def take(self, packet: bytes, n: int = 3) -> bool:
        begin = n * SLOT_BYTES
        self.slots.view[begin : begin + len(packet)] = packet
        return self.receiver.receive_srtp(self.slots, n, len(packet), 1.0)


def test_packets_are_read_over_the_wrap_of_their_numbers() -> None:
    end = Receiver()
    for number in range(65_500, 65_580):
        assert end.take(end.theirs.protect(header(number) + b"%d" % number))
    assert [packet.payload for packet in end.heard] == [b"%d" % number for number in range(65_500, 65_580)]
    assert end.receiver.streams[9].packets_lost == 0


@pytest.mark.parametrize(
    ("first", "before", "after"),
    [
        (0x90, b"\xbe\xde\x00\x01\x10\x7f\x00\x00", b""),
        (0x82, bytes(8), b""),
        (0xA0, b"", b"\x00\x00\x03"),
        (0xB1, bytes(4) + b"\xbe\xde\x00\x00", b"\x01"),
    ],
)
def test_extensions_sources_and_padding_are_no_payload(first: int, before: bytes, after: bytes) -> None:
    end = Receiver()
    assert end.take(end.theirs.protect(header(1, first=first) + before + b"opus" + after))
    assert [packet.payload for packet in end.heard] == [b"opus"]


@pytest.mark.parametrize("rest", [b"", b"\xff" * 3])
def test_a_packet_with_a_false_length_has_no_payload(rest: bytes) -> None:
    end = Receiver()
    assert end.take(end.theirs.protect(header(1, first=0xA0) + rest + b"\xff"))
    assert end.heard == []
    assert end.receiver.packets_dropped == 1


def test_a_forged_or_repeated_packet_is_refused() -> None:
    end = Receiver()
    packet = end.theirs.protect(header(1) + b"opus")
    assert not end.take(packet[:-1] + bytes([packet[-1] ^ 1]))
    assert end.take(packet)
    assert not end.take(packet)
    assert len(end.heard) == 1


def test_a_codec_that_was_not_agreed_is_dropped() -> None:
    end = Receiver()
    packet = struct.pack("!BBHII", 0x80, 0, 1, 960, 9) + b"pcmu"
    assert end.take(end.theirs.protect(packet))
    assert (end.heard, end.receiver.packets_dropped) == ([], 1)
    assert end.receiver.streams == {}  # a stream of which nothing was counted would have no report


class Outgoing:
    """A sender on a socket of its own, and where it sends to."""

    def __init__(self, here: socket.socket, there: socket.socket) -> None:
        for sock in (here, there):
            sock.bind(("127.0.0.1", 0))
            sock.setblocking(False)
        self.there = datagrams(there)
        self.io = datagrams(here)
        port: Any = SimpleNamespace(io=self.io, flush_soon=lambda: None)
        lane: Any = Lane.__new__(Lane)
        lane.port, lane._remote, lane.detour = port, None, lambda: None
        protocol = SimpleNamespace(transport=lane)
        pair = SimpleNamespace(protocol=protocol, remote_addr=there.getsockname())
        self.dtls: Any = SimpleNamespace(_state=State.CONNECTED, _tx_srtp=session(Policy.SSRC_ANY_OUTBOUND))
        self.nominated: dict[int, Any] = {1: pair}
        sender: Any = PacketSender.__new__(PacketSender)
        sender.__dict__.update(
            line=RtpLine(sequence_number=65_500, timestamp=0xFFFF_F000), payload_type=111, packets_dropped=0,
            sent_at_s=0.0, _ssrc=9, _dtls=self.dtls, _nominated=self.nominated, _pair=None, _port=None,
            _key=b"", srtp=None, route=None, lane=None, rtp_timestamp=0, octet_count=0,
            packet_count=0,
        )  # fmt: skip
        self.sender: PacketSender = sender
        self.lane = lane

    def forward(self, number: int) -> None:
        self.sender.forward_packet(
            MicPacket((1, 1), number, number * 960, number * 0.02, b"opus %d" % number)
        )


@pytest.fixture
def outgoing() -> Iterator[Outgoing]:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as there,
    ):
        yield Outgoing(here, there)


def test_packets_leave_encrypted_over_the_wrap_of_their_numbers(outgoing: Outgoing) -> None:
    theirs = session(Policy.SSRC_ANY_INBOUND)
    heard: list[bytes] = []
    for number in range(80):
        outgoing.forward(number)
        outgoing.io.flush()
        for n, _, length in outgoing.there.receive():
            begin = n * SLOT_BYTES
            heard.append(theirs.unprotect(bytes(outgoing.there.incoming.view[begin : begin + length])))
    assert [packet[12:] for packet in heard] == [b"opus %d" % number for number in range(80)]
    numbers = [int.from_bytes(packet[2:4], "big") for packet in heard]
    assert numbers == [(65_500 + n) & 0xFFFF for n in range(80)]
    timestamps = [int.from_bytes(packet[4:8], "big") for packet in heard]
    assert {(b - a) & 0xFFFF_FFFF for a, b in itertools.pairwise(timestamps)} == {960}
    assert outgoing.lane.remote == key_of(outgoing.nominated[1].remote_addr)


def test_nothing_leaves_where_ice_chose_no_way_or_the_keys_are_gone(outgoing: Outgoing) -> None:
    pair = outgoing.nominated.pop(1)
    outgoing.forward(0)
    outgoing.nominated[1] = pair
    outgoing.dtls._state = State.CLOSED
    outgoing.forward(1)
    assert outgoing.sender.packets_dropped == 2
    outgoing.dtls._state = State.CONNECTED
    outgoing.forward(2)
    assert (outgoing.sender.packets_dropped, outgoing.io.waiting) == (2, 1)
