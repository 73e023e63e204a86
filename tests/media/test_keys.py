"""Whose key an end of a call has: a device is heard with the claimed one and with no other."""

import asyncio
from uuid import uuid4

import pytest
from aiortc import RTCSessionDescription
from cryptography.hazmat.primitives.asymmetric import ec

from media.door import LegState
from media.leg import KEY_REFUSED
from media.worker import MediaWorker
from tests.fakes.authority import spki_sha256
from tests.fakes.door import FakeDoor
from tests.fakes.peer import RealPeer, loudest_hz

pytestmark = pytest.mark.integration


def keys_make() -> tuple[ec.EllipticCurvePrivateKey, frozenset[str]]:
    key = ec.generate_private_key(ec.SECP256R1())
    return key, frozenset({spki_sha256(key.public_key())})


async def closed(peer: RealPeer) -> None:
    """It was told so."""
    async with asyncio.timeout(5):
        while peer.connection.connectionState != "closed":
            await asyncio.sleep(0.01)


async def test_a_device_with_its_own_key_hears_and_is_heard(worker: MediaWorker, door: FakeDoor) -> None:
    key, fingerprints = keys_make()
    call_id = uuid4()
    async with RealPeer(worker, door) as anna, RealPeer(worker, door, frequency_hz=900, key=key) as room:
        door.keys[room.participant_id] = fingerprints
        await anna.connect(call_id=call_id)
        await room.connect(call_id=call_id)
        assert abs(loudest_hz(await anna.listen(0.5)) - 900) < 20
        assert abs(loudest_hz(await room.listen(0.5)) - 440) < 20
    assert not door.all("key_refused")


async def test_with_another_key_nothing_is_heard_either_way_and_the_hub_is_told_why(
    worker: MediaWorker, door: FakeDoor
) -> None:
    _, fingerprints = keys_make()
    call_id = uuid4()
    async with RealPeer(worker, door) as anna, RealPeer(worker, door, frequency_hz=900) as stranger:
        door.keys[stranger.participant_id] = fingerprints
        await anna.connect(call_id=call_id)
        await stranger.connect(call_id=call_id)
        refused = await door.wait_for("key_refused")
        gone = await door.wait_for("leg_state", lambda told: told.leg_id == stranger.leg_id)
        assert refused.participant_id == stranger.participant_id
        assert (gone.state, gone.reason) == (LegState.CLOSED, KEY_REFUSED)
        await closed(stranger)
        await asyncio.sleep(0.3)
        assert (stranger.heard().size, anna.heard().size) == (0, 0)
        assert len(door.all("key_refused")) == 1


async def test_a_stranger_who_comes_later_does_not_take_the_place_of_the_device(
    worker: MediaWorker, door: FakeDoor
) -> None:
    key, fingerprints = keys_make()
    call_id = uuid4()
    async with (
        RealPeer(worker, door) as anna,
        RealPeer(worker, door, frequency_hz=900, key=key) as room,
        RealPeer(worker, door, frequency_hz=1500) as stranger,
    ):
        stranger.leg_id, stranger.participant_id = room.leg_id, room.participant_id
        door.keys[room.participant_id] = fingerprints
        await anna.connect(call_id=call_id)
        await room.connect(call_id=call_id)
        await anna.listen(0.3)
        await stranger.connect(call_id=call_id)
        await door.wait_for("key_refused")
        await closed(stranger)
        assert abs(loudest_hz(await anna.listen(0.5)) - 900) < 20
        assert stranger.heard().size == 0
        assert LegState.CLOSED not in door.states(room.leg_id)


@pytest.mark.parametrize("is_standing", [False, True], ids=["a browser", "a device of another maker"])
async def test_the_certificate_of_everybody_else_is_the_one_that_was_offered(
    worker: MediaWorker, door: FakeDoor, is_standing: bool
) -> None:
    async with RealPeer(worker, door) as peer:
        peer.is_standing = is_standing
        sdp = await peer.offer()
        [line] = {line for line in sdp.splitlines() if line.startswith("a=fingerprint:sha-256")}
        swapped = sdp.replace(line, "a=fingerprint:sha-256 " + ":".join(["AB"] * 32))
        other_lines = [line for line in swapped.splitlines() if not line.startswith("a=fingerprint:sha-")]
        kept = [line for line in swapped.splitlines() if line.startswith("a=fingerprint:sha-256")]
        at = other_lines.index(next(line for line in other_lines if line.startswith("a=setup")))
        sdp = "\r\n".join([*other_lines[:at], kept[0], *other_lines[at:], ""])
        answer = await peer.send_offer(sdp, call_id=None if is_standing else uuid4())
        await peer.connection.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
        gone = await door.wait_for("leg_state", lambda told: told.leg_id == peer.leg_id)
        assert (gone.state, gone.reason) == (LegState.CLOSED, "no way through the network")
        await closed(peer)
        assert peer.heard().size == 0


async def test_while_the_hub_does_not_know_the_keys_nothing_flows_and_then_it_does(
    worker: MediaWorker, door: FakeDoor
) -> None:
    key, fingerprints = keys_make()
    door.keys_known = asyncio.Event()
    call_id = uuid4()
    async with RealPeer(worker, door) as anna, RealPeer(worker, door, frequency_hz=900, key=key) as room:
        door.keys[room.participant_id] = fingerprints
        await anna.connect(call_id=call_id)
        await room.connect(call_id=call_id)
        await asyncio.sleep(0.5)
        assert (anna.heard().size, room.heard().size) == (0, 0)
        door.keys_known.set()
        assert abs(loudest_hz(await anna.listen(0.5)) - 900) < 20
