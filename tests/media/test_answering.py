"""The connection that answers an offer: whom it takes, and how it ends."""

import asyncio
import gc
import weakref
from typing import Any

import pytest
from aiortc import RTCConfiguration, RTCSessionDescription
from cryptography.hazmat.primitives.asymmetric import ec

from media.connection import guard
from media.connection.answering import AnsweringConnection
from media.connection.candidates import AddressPolicy, RemoteCandidates
from media.connection.ports import Ports
from media.connection.sdp import read_candidate, read_offer
from media.supervise import Supervisor
from tests.fakes.authority import spki_sha256
from tests.fakes.connection import PeerConnection

pytestmark = pytest.mark.unit


class Ends:
    """The answering connection, and aiortc's that offers."""

    def __init__(
        self, keys: frozenset[str] | None = None, key: ec.EllipticCurvePrivateKey | None = None
    ) -> None:
        guard.install()
        self.keys: asyncio.Future[frozenset[str] | None] = asyncio.get_running_loop().create_future()
        self.keys.set_result(keys)
        self.states: list[str] = []
        self._new = asyncio.Event()
        self.ours = AnsweringConnection(
            ice_servers=[], on_packet=lambda _: None, on_state=self._told, keys=self._ask_keys
        )
        self.theirs = PeerConnection(RTCConfiguration(iceServers=[]), key=key)
        self.theirs.addTransceiver("audio", direction="sendrecv")
        self._tasks = Supervisor("test")

    async def __aenter__(self) -> "Ends":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.theirs.close()
        await self.ours.close()
        await self._tasks.aclose()

    async def _ask_keys(self) -> frozenset[str] | None:
        return await self.keys

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

    async def theirs_are(self, state: str) -> None:
        async with asyncio.timeout(10):
            while self.theirs.connectionState != state:
                await asyncio.sleep(0.01)


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


@pytest.mark.parametrize(
    "setup", ["active", "actpass"]
)  # the other end as the client of DTLS, and as its server
async def test_a_known_key_connects_and_another_one_hears_that_it_is_over(setup: str) -> None:
    key, other = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    known = frozenset({spki_sha256(key.public_key())})
    async with Ends(keys=known, key=key) as ends:
        await ends.connect(setup=setup)
        await ends.reach("connected")
        await ends.theirs_are("connected")
    async with Ends(keys=known, key=other) as ends:
        await ends.connect(setup=setup)
        await ends.reach("failed")
        assert ends.states == ["connecting", "failed"]
        assert ends.ours.dtls.is_refused
        # Nothing was ever there to read or write a packet with.
        assert not ends.ours.dtls._rx_srtp
        assert not ends.ours.dtls._tx_srtp
        assert (ends.ours.sender.payload_type, ends.ours.receiver.payload_type) == (None, None)
        await ends.theirs_are("closed")


async def test_of_a_known_key_the_certificate_must_be_the_offered_one_too() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    async with Ends(keys=frozenset({spki_sha256(key.public_key())}), key=key) as ends:
        await ends.connect(fingerprint=":".join(["AB"] * 32))
        await ends.reach("failed")
        assert ends.ours.dtls.is_refused


async def test_nothing_is_encrypted_before_the_keys_are_known() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    async with Ends(key=key) as ends:
        ends.keys = asyncio.get_running_loop().create_future()
        await ends.connect()
        await ends.reach("connecting")
        async with asyncio.timeout(5):
            while ends.ours.ice_transport.state != "completed":
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        assert ends.ours.dtls.state == "new"
        ends.keys.set_result(frozenset({spki_sha256(key.public_key())}))
        await ends.reach("connected")
        await ends.theirs_are("connected")


async def test_it_may_be_closed_while_nobody_knows_the_keys() -> None:
    async with Ends() as ends:
        ends.keys = asyncio.get_running_loop().create_future()
        await ends.connect()
        await ends.reach("connecting")
        await ends.ours.close()
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("media.")]


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
