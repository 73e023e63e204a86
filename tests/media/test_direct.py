"""Direct routes: they do to a packet what the general way does, and end when something else is to be done."""

import select
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from aiortc.rtcdtlstransport import State
from hypothesis import given, settings
from hypothesis import strategies as st
from pylibsrtp import Error, Policy, Session

from media.connection import direct, rtp, tables
from media.connection.datagrams import Datagrams, datagrams, key_of
from media.connection.guard import counters
from media.connection.line import RtpLine
from media.connection.ports import Lane
from media.connection.routes import RoutedDatagrams, Routes, Way
from media.connection.rtp import PacketReceiver, PacketSender
from media.packets import MicPacket

pytestmark = pytest.mark.unit

KEYS = [bytes(range(n, n + 30)) for n in (1, 40, 80)]
SPEAKER, LISTENER = 9, 77


def session(key: bytes, kind: int) -> Session:
    policy = Policy(key=key, ssrc_type=kind)
    policy.window_size, policy.allow_repeat_tx = 1024, True
    return Session(policy)


class End:
    """One side of the worker: a lane to a socket outside, by which it is known."""

    def __init__(self, io: Datagrams, outside: socket.socket) -> None:
        lane: Any = Lane.__new__(Lane)
        lane.port = SimpleNamespace(io=io, flush_soon=io.flush, lane_of=lambda key: lane)
        lane._remote, lane.detour = key_of(outside.getsockname()), lambda: None
        lane.sources = set()
        lane.add_source = lane.sources.add
        pair = SimpleNamespace(
            protocol=SimpleNamespace(transport=lane), remote_addr=outside.getsockname(), component=1
        )
        self.nominated = {1: pair}
        self.lane: Lane = lane


class World:
    """A worker's port between a speaker and a listener, with or without direct routes."""

    def __init__(self, stack: ExitStack, host: str, routes: Routes | None) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.port, self.speaker, self.listener = (
            stack.enter_context(socket.socket(family, socket.SOCK_DGRAM)) for _ in range(3)
        )
        for sock in (self.port, self.speaker, self.listener):
            sock.bind((host, 0))
            sock.setblocking(False)
        self.routes = routes
        self.io = datagrams(self.port) if routes is None else routes.datagrams(self.port)
        self.epoll = stack.enter_context(select.epoll())
        self.epoll.register(self.port.fileno(), select.EPOLLIN)
        self.recorded: list[MicPacket] = []
        self.forwarded_at_s: list[float] = []
        self.sessions = session(KEYS[0], Policy.SSRC_ANY_INBOUND), session(KEYS[1], Policy.SSRC_ANY_OUTBOUND)
        self.sender = self._sender()
        self.receiver = self._receiver()

    def _sender(self) -> PacketSender:
        end, sender = End(self.io, self.listener), PacketSender.__new__(PacketSender)
        dtls: Any = SimpleNamespace(_state=State.CONNECTED, _tx_srtp=self.sessions[1])
        sender.__dict__.update(
            line=RtpLine(sequence_number=32_000, timestamp=0xFFFF_F000), payload_type=96, packets_dropped=0,
            sent_at_s=0.0, _ssrc=LISTENER, _dtls=dtls, _nominated=end.nominated, _pair=None, _port=None,
            _key=b"", srtp=None, route=None, lane=None, rtp_timestamp=0,
            octet_count=0, packet_count=0,
        )  # fmt: skip
        return sender

    def _receiver(self) -> PacketReceiver:
        end, receiver = End(self.io, self.speaker), PacketReceiver.__new__(PacketReceiver)
        way = Way(sender=self.sender, record=self.recorded.append, forwarded=self.forwarded_at_s.append)
        receiver.__dict__.update(
            on_packet=self._heard, lane=end.lane, srtp=self.sessions[0]._srtp[0], heard_at_s=None,
            packets_received=0, packets_dropped=0, bytes_received=0, credit=100, credit_until_s=0.0,
            route=None, routes=self.routes, route_after_s=0.0, way=lambda: way, nominated=end.nominated,
            payload_type=111, streams={},
        )  # fmt: skip
        return receiver

    def _heard(self, packet: MicPacket) -> None:
        self.recorded.append(packet)
        self.sender.forward_packet(packet)

    def take(self, packets: list[bytes], now_s: float | None) -> float:
        """What comes in at one moment, now or then; returns when that was."""
        for packet in packets:
            self.speaker.sendto(packet, self.port.getsockname())
        if self.routes is not None:
            direct.wait()(self.routes.at, self.epoll.fileno(), 0)
            seconds, nanoseconds = self.routes.tables.time
            now_s = float(seconds + nanoseconds * 1e-9)
        for n, _, length in self.io.receive() if now_s is not None else []:
            if not self.receiver.receive_srtp(self.io.incoming, n, length, now_s or 0.0):
                counters.packets_dropped += 1
        self.io.flush()
        return now_s or 0.0

    def heard(self) -> list[bytes]:
        found = []
        while True:
            try:
                found.append(self.listener.recv(2048))
            except BlockingIOError:
                return found

    def state(self) -> dict[str, object]:
        """All that is counted."""
        for end in (self.receiver, self.sender):
            if end.route is not None:
                end.route.settle()
        line, receiver, sender = dict(self.sender.line.__dict__), self.receiver, self.sender
        line["_number_offset"] &= 0xFFFF
        line["_timestamp_offset"] &= 0xFFFF_FFFF
        line["_source"] = line["_source"] and line["_source"][1]
        return {
            "line": line,
            "streams": {ssrc: dict(stream.__dict__) for ssrc, stream in receiver.streams.items()},
            "receiver": {name: getattr(receiver, name) for name in (*tables.RECEIVER, "credit_until_s")},
            "sender": {name: getattr(sender, name) for name in tables.SENDER},
            "recorded": [(packet.source[1], *packet[1:]) for packet in self.recorded],
        }


@contextmanager
def worlds(host: str = "127.0.0.1") -> Iterator[tuple[World, World]]:
    """The general way, and one with direct routes."""
    with ExitStack() as stack:
        stack.enter_context(pytest.MonkeyPatch.context()).setattr(rtp, "_ROUTE_EVERY_S", 0.0)
        yield World(stack, host, None), World(stack, host, Routes())


@dataclass
class Speaker:
    """Makes packets, usual and odd ones."""

    number: int = 65_500
    timestamp: int = 0
    srtp: Session = field(default_factory=lambda: session(KEYS[0], Policy.SSRC_ANY_OUTBOUND))
    sent: list[bytes] = field(default_factory=list)

    def packet(
        self,
        *,
        step: int = 1,
        ssrc: int = SPEAKER,
        first: int = 0x80,
        payload_type: int = 111,
        payload: bytes = b"opus",
    ) -> bytes:
        self.number, self.timestamp = self.number + step, self.timestamp + 960 * step
        words = first, payload_type, self.number & 0xFFFF, self.timestamp & 0xFFFF_FFFF, ssrc
        packet = self.srtp.protect(struct.pack("!BBHII", *words) + payload)
        self.sent.append(packet)
        return packet


USUAL: st.SearchStrategy[dict[str, Any]] = st.just({})
STEPS = st.one_of(
    *[USUAL] * 6,
    st.fixed_dictionaries({"step": st.integers(2, 60)}),  # some are lost
    st.fixed_dictionaries({"step": st.integers(-30, -1)}),  # late
    st.fixed_dictionaries({"step": st.sampled_from([1500, 20_000])}),  # another beginning, or a long pause
    st.fixed_dictionaries({"ssrc": st.sampled_from([10, 10 + 1024])}),
    st.fixed_dictionaries({"payload_type": st.sampled_from([0, 13, 111 | 0x80])}),
    st.fixed_dictionaries({"payload": st.binary(max_size=1300)}),
    st.sampled_from(
        [
            {"first": 0x90, "payload": b"\xbe\xde\x00\x01\x10\x7f\x00\x00opus"},
            {"first": 0x82, "payload": bytes(8) + b"opus"},
            {"first": 0xA0, "payload": b"opus\x00\x00\x03"},
            {"first": 0xA0, "payload": b"\xff"},
            {"first": 0xB1, "payload": bytes(4) + b"\xbe\xde\x00\x00opus\x01"},
        ]
    ),
)
ODD = st.sampled_from(["again", "forged", "stun", "short", "made here", "detour"])


@settings(max_examples=150)
@given(st.lists(st.lists(st.one_of(STEPS, ODD), max_size=6), max_size=30))
def test_whatever_comes_both_ways_do_the_same(batches: list[list[dict[str, Any] | str]]) -> None:
    speaker = Speaker()
    with worlds() as (general, routed):
        for batch in batches:
            packets = [speaker.packet()]
            for one in batch:
                packets += _packets(speaker, one, general, routed)
            now_s = routed.take(packets, None)
            general.take(packets, now_s)
            assert routed.heard() == general.heard()
        assert routed.state() == general.state()


def _forged(packet: bytes) -> bytes:
    return packet[:-1] + bytes([packet[-1] ^ 1])


def _packets(speaker: Speaker, one: dict[str, Any] | str, general: World, routed: World) -> list[bytes]:
    match one:
        case dict():
            with suppress(Error):  # libsrtp sends nothing that is far too old
                return [speaker.packet(**one)]
        case "again":
            return [speaker.sent[len(speaker.sent) // 2]]
        case "forged":
            return [_forged(speaker.packet())]
        case "stun":
            return [bytes(20)]
        case "short":
            return [speaker.sent[-1][:14]]
        case "made here":
            for world in (general, routed):
                world.sender.send_packet(b"tone", now_s=1e9, samples=960)
        case _ if routed.receiver.route is not None:
            routed.receiver.route.drop()
    return []


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_usual_packets_never_reach_the_general_way(host: str) -> None:
    speaker = Speaker()
    with worlds(host) as (_, routed):
        routed.take([speaker.packet()], None)
        assert routed.receiver.route is not None
        _never_again(routed)
        for _ in range(90):
            routed.take([speaker.packet()], None)
        assert len(routed.heard()) == 91
        state = routed.state()
        assert len(routed.recorded) == 91
        assert state["sender"]["packet_count"] == 91  # type: ignore[index]
        assert routed.forwarded_at_s == [routed.receiver.heard_at_s]


def _never_again(world: World) -> None:
    def receive_srtp(*_: object) -> bool:
        raise AssertionError("a usual packet came the general way")

    world.receiver.receive_srtp = receive_srtp  # type: ignore[assignment, method-assign]


def test_what_follows_an_odd_packet_waits_behind_it() -> None:
    speaker = Speaker()
    with worlds() as (general, routed):
        batches = [[speaker.packet()], [speaker.packet(step=2000), speaker.packet(), speaker.packet()]]
        for packets in batches:
            general.take(packets, routed.take(packets, None))
        assert [packet[2:4] for packet in routed.heard()] == [packet[2:4] for packet in general.heard()]


def test_from_another_address_it_is_for_the_general_way() -> None:
    speaker = Speaker()
    with worlds() as (general, routed):
        routed.take([speaker.packet()], None)
        general.speaker.sendto(speaker.packet(), routed.port.getsockname())
        routed.take([], None)
        assert routed.receiver.route is not None  # opened anew: the receiver is not asked for addresses
        assert len(routed.heard()) == 2
        route, packet = routed.receiver.route, speaker.packet()
        general.speaker.sendto(_forged(packet), routed.port.getsockname())
        routed.take([], None)
        assert routed.receiver.route is route


def test_a_forged_packet_is_counted() -> None:
    speaker = Speaker()
    with worlds() as (_, routed):
        routed.take([speaker.packet()], None)
        packet = speaker.packet()
        before = counters.packets_dropped
        routed.take([_forged(packet)], None)
        routed.state()
        assert counters.packets_dropped == before + 1
        assert len(routed.heard()) == 1


def test_records_that_are_never_fetched_end_the_route_in_time() -> None:
    speaker = Speaker()
    with worlds() as (_, routed):
        for _ in range(200):
            routed.take([speaker.packet(payload=bytes(1200))], None)
        routed.state()
        assert len(routed.recorded) == 200


def test_where_the_table_is_full_the_general_way_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "ROUTES", 0)
    speaker = Speaker()
    with worlds() as (_, routed):
        for _ in range(3):
            routed.take([speaker.packet()], None)
        assert routed.receiver.route is None
        assert len(routed.heard()) == 3


def test_a_port_more_than_the_table_holds_has_no_direct_routes() -> None:
    routes = Routes()
    with ExitStack() as stack:
        made = []
        for _ in range(tables.PORTS + 1):
            sock = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            made.append(routes.datagrams(sock))
        assert [isinstance(io, RoutedDatagrams) for io in made] == [True] * tables.PORTS + [False]
        made[3].close()
        assert isinstance(
            routes.datagrams(stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))), RoutedDatagrams
        )


def test_a_loop_wakes_for_its_timers_while_packets_only_pass() -> None:
    with worlds() as (_, routed):
        routed.take([Speaker().packet()], None)
        assert routed.routes is not None
        assert direct.wait()(routed.routes.at, routed.epoll.fileno(), 5) == direct.NOTHING


def test_two_speakers_with_one_ssrc_do_not_share_a_route() -> None:
    speaker = Speaker()
    with worlds() as (other, routed):
        routed.take([speaker.packet()], None)
        other.take([Speaker().packet()], 1.0)
        assert routed.routes is not None
        way = other.receiver.way()
        assert way is not None
        routed.routes.open(other.receiver, way, ssrc=SPEAKER, payload_type=111)
        assert other.receiver.route is None
        assert routed.receiver.route is not None


def test_after_a_stun_message_the_route_goes_on() -> None:
    speaker = Speaker()
    with worlds() as (_, routed):
        routed.take([speaker.packet()], None)
        route = routed.receiver.route
        routed.take([bytes(20), speaker.packet()], None)
        assert (
            routed.receiver.route is not route
        )  # what came with it waited, and was passed on by the general way
        route = routed.receiver.route
        routed.speaker.sendto(bytes(20), routed.port.getsockname())
        assert routed.routes is not None
        direct.wait()(routed.routes.at, routed.epoll.fileno(), 0)
        assert [length for _, _, length in routed.io.receive()] == [20]
        _never_again(routed)
        routed.take([speaker.packet()], None)
        assert routed.receiver.route is route
        assert len(routed.heard()) == 3
