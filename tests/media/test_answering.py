"""The connection that answers an offer: whom it takes, and how it ends."""

import asyncio
import gc
import weakref
from typing import Any

import pytest
from aiortc import RTCConfiguration, RTCSessionDescription

from media.connection import guard
from media.connection.answering import AnsweringConnection
from media.connection.candidates import AddressPolicy, RemoteCandidates
from media.connection.ports import Ports
from media.connection.sdp import read_candidate, read_offer
from media.supervise import Supervisor
from tests.fakes.connection import PeerConnection

pytestmark = pytest.mark.unit


class Ends:
    """The answering connection, and aiortc's that offers."""

    def __init__(self) -> None:
        guard.install()
        self.states: list[str] = []
        self._new = asyncio.Event()
        self.ours = AnsweringConnection(ice_servers=[], on_packet=lambda _: None, on_state=self._told)
        self.theirs = PeerConnection(RTCConfiguration(iceServers=[]))
        self.theirs.addTransceiver("audio", direction="sendrecv")
        self._tasks = Supervisor("test")

    async def __aenter__(self) -> "Ends":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.theirs.close()
        await self.ours.close()
        await self._tasks.aclose()

    def _told(self) -> None:
        self.states.append(self.ours.state)
        self._new.set()

    async def connect(self, **changes: Any) -> None:
        """`changes` to what the offer says."""
        await self.theirs.setLocalDescription(await self.theirs.createOffer())
        offer = read_offer(self.theirs.localDescription.sdp)
        values = {name: changes.get(name, value) for name, value in vars(offer).items()}
        answer = await self.ours.answer(type(offer)(**values))
        candidates = RemoteCandidates(self.ours.ice, policy=AddressPolicy(), tasks=self._tasks)
        for candidate in offer.candidates:
            candidates.take(read_candidate(candidate))
        candidates.end()
        await self.theirs.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))

    async def reach(self, state: str) -> None:
        async with asyncio.timeout(10):
            while state not in self.states:
                self._new.clear()
                await self._new.wait()


async def test_it_connects_and_tells_each_state_once() -> None:
    async with Ends() as ends:
        await ends.connect()
        await ends.reach("connected")
        assert (ends.ours.sender.payload_type, ends.ours.receiver.payload_type) == (96, 96)
        await asyncio.gather(ends.ours.close(), ends.ours.close())
        assert ends.states == ["connecting", "connected", "closed"]
        assert ends.ours.sender.payload_type is None
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("media.")]


async def test_what_openssl_held_for_a_connection_goes_with_it_and_does_not_wait_for_a_collection() -> None:
    gc.collect()
    gc.disable()
    try:
        async with Ends() as ends:
            await ends.connect()
            await ends.reach("connected")
            held = weakref.ref(ends.ours.dtls._ssl)
            await ends.ours.close()
            assert held() is None
    finally:
        gc.enable()


async def test_a_certificate_that_was_not_offered_is_refused() -> None:
    async with Ends() as ends:
        await ends.connect(fingerprint=":".join(["AB"] * 32))
        await ends.reach("failed")
        assert "connected" not in ends.states
        assert ends.ours.sender.payload_type is None


async def test_it_ends_when_the_other_side_hangs_up() -> None:
    async with Ends() as ends:
        await ends.connect()
        await ends.reach("connected")
        await ends.theirs.close()
        await ends.reach("closed")


async def test_it_may_be_closed_while_it_connects() -> None:
    async with Ends() as ends:
        await ends.connect(ufrag="nobody")
        await ends.reach("connecting")
        await ends.ours.close()
        assert ends.states == ["connecting", "closed"]


async def test_a_host_without_addresses_says_that_there_is_no_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ports, "addresses", lambda _: [])
    async with Ends() as ends:
        await ends.connect()
        await ends.reach("failed")
