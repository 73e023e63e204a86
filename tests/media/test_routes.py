"""Direct routes in a real worker: they are there while packets only pass, and gone before they do more."""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from media.connection import compiled, loop
from media.connection.ports import ports
from media.connection.routes import Routes
from media.door import LegState
from media.leg import Leg
from media.worker import MediaWorker
from protocol.worker import CaptureStart, CaptureStop, LegGain, ToneStart, ToneStop, WorkerCommand
from tests.fakes.door import FakeDoor
from tests.fakes.peer import RealPeer, level_db

pytestmark = pytest.mark.unit


class TwoParties:
    """Anna and Ben in a call that is recorded."""

    def __init__(self, worker: MediaWorker, door: FakeDoor) -> None:
        self.worker, self.call_id = worker, uuid4()
        self.anna, self.ben = (RealPeer(worker, door, frequency_hz=hz) for hz in (440, 700))

    async def __aenter__(self) -> "TwoParties":
        for name, peer in (("anna", self.anna), ("ben", self.ben)):
            await peer.connect(call_id=self.call_id, recording_name=f"{name}.opus")
        await self.until(self.is_direct)
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(self.anna.close(), self.ben.close())

    async def run(self, command: WorkerCommand) -> None:
        await self.worker.handle(command)
        await self.until(lambda: self.worker.is_idle)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Looked at with every sound that Ben hears."""
        async with asyncio.timeout(15):
            while not condition():
                await self.ben.listen(0.04)

    def leg(self, peer: RealPeer) -> Leg:
        return self.worker.exchange._legs[peer.leg_id]

    def routes(self) -> list[Any]:
        peers = [self.leg(peer)._peer for peer in (self.anna, self.ben)]
        return [peer._receiver.route for peer in peers if peer is not None]

    def is_direct(self) -> bool:
        return len(self.routes()) == 2 and None not in self.routes()

    def is_general(self) -> bool:
        return set(self.routes()) == {None}


async def test_two_parties_hear_each_other_and_are_counted_and_recorded(
    worker: MediaWorker, door: FakeDoor, recordings: Path
) -> None:
    async with TwoParties(worker, door) as two:
        before = two.leg(two.anna).stats()
        heard = await two.ben.listen(2.0)
        after = two.leg(two.anna).stats()
        assert two.is_direct()
    assert level_db(heard[-48_000:], 440) > -20
    assert after.packets_received - before.packets_received > 50
    assert after.packets_sent > before.packets_sent
    await worker.aclose()
    sound = door.sound(recordings, "anna.opus").read()
    assert sound.count(b"OggS") >= 4
    assert len(sound) > 5000
    assert ports().routes is not None
    assert not ports().routes._open  # type: ignore[union-attr]


async def test_a_tone_takes_over_at_once_and_the_routes_come_back(
    worker: MediaWorker, door: FakeDoor
) -> None:
    async with TwoParties(worker, door) as two:
        await two.run(ToneStart(leg_id=two.ben.leg_id, frequency_hz=5000, reply_channel="test"))
        assert two.is_general()
        heard = await two.ben.listen(1.0)
        assert level_db(heard[-24_000:], 5000) > -25
        assert two.is_general()
        await two.run(ToneStop(leg_id=two.ben.leg_id))
        await two.until(two.is_direct)
        heard = await two.ben.listen(1.0)
        assert level_db(heard[-24_000:], 5000) < -60


async def test_a_gain_ends_the_routes_and_no_gain_lets_them_be(worker: MediaWorker, door: FakeDoor) -> None:
    async with TwoParties(worker, door) as two:
        await two.run(LegGain(leg_id=two.anna.leg_id, gain_db=-20))
        assert two.is_general()
        await two.run(LegGain(leg_id=two.anna.leg_id, gain_db=0))
        await two.until(two.is_direct)


async def test_a_microphone_that_is_captured_has_no_route(
    worker: MediaWorker, door: FakeDoor, captures: Path
) -> None:
    async with TwoParties(worker, door) as two:
        await two.run(CaptureStart(leg_id=two.anna.leg_id, reply_channel="test"))
        assert two.routes()[0] is None
        await two.ben.listen(0.5)
        await two.run(
            CaptureStop(leg_id=two.anna.leg_id, language="de", reply_channel="test", request_id="7")
        )
        captured = await door.wait_for("capture_finished")
        assert captured.duration_s > 0.3
        await two.until(two.is_direct)


async def test_a_third_who_speaks_is_mixed_and_when_he_leaves_two_are_direct_again(
    worker: MediaWorker, door: FakeDoor
) -> None:
    async with TwoParties(worker, door) as two:
        async with RealPeer(worker, door, frequency_hz=1700) as carla:
            await carla.connect(call_id=two.call_id)
            await two.until(two.is_general)
            heard = await two.ben.listen(2.0)
            assert min(level_db(heard[-36_000:], hz) for hz in (440, 1700)) > -30
        await two.until(two.is_direct)


async def test_a_new_connection_gets_the_packets_from_its_beginning(
    worker: MediaWorker, door: FakeDoor
) -> None:
    async with TwoParties(worker, door) as two, RealPeer(worker, door, frequency_hz=1000) as again:
        again.leg_id = two.anna.leg_id
        await again.connect(call_id=two.call_id)
        assert two.leg(two.anna)._next_peer is None or two.routes()[1] is None  # Ben is heard at both
        heard = await again.listen(1.0)
        assert level_db(heard[-24_000:], 700) > -25
        heard = await two.ben.listen(1.5)
        assert level_db(heard[-24_000:], 1000) > -25
        await two.until(two.is_direct)


async def _send_nothing(data: bytes) -> None:
    """The way to the worker is gone."""


async def test_a_speaker_who_falls_silent_is_lost_as_ever(
    worker: MediaWorker, door: FakeDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with TwoParties(worker, door) as two:
        monkeypatch.setattr(two.anna.connection.getSenders()[0].transport, "_send_rtp", _send_nothing)
        lost = await door.wait_for("leg_state", lambda told: told.state is LegState.LOST)
        assert lost.leg_id == two.anna.leg_id


async def test_a_listener_that_leaves_is_no_longer_sent_to(worker: MediaWorker, door: FakeDoor) -> None:
    async with TwoParties(worker, door) as two:
        await two.anna.close()
        await door.wait_for("leg_state", lambda told: told.state is LegState.CLOSED)
        ben = two.leg(two.ben)._peer
        assert ben is not None
        assert ben._receiver.route is None
        assert ben._sender.route is None


def test_where_nothing_can_be_compiled_the_loop_is_asyncios_and_has_no_routes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(compiled, "IS_AVAILABLE", False)
    assert loop.loop_factory() is None

    async def found() -> object:
        return ports().routes

    assert loop.run(found()) is None


def test_one_port_after_the_other_uses_the_same_memory() -> None:
    routes = Routes()
    found = []
    for _ in range(3):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            io = routes.datagrams(sock)
            found.append((id(io.incoming), id(io.outgoing)))
            io.close()
    assert len(set(found)) == 1
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other,
    ):
        assert routes.datagrams(one).incoming is not routes.datagrams(other).incoming
