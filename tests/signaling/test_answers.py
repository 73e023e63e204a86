"""The hub signs what it answers to a device's offer, and writes down when the device could not use it."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django_scopes import scopes_disabled

from calls.models import Call
from calls.services import call_start
from devices.identity.certificates import authority_get, signature_is_valid
from devices.models import Device
from households.models import Membership
from households.record.audit import audit_list, audit_sentence
from media.hub import HubDoor
from protocol.identity import answer_text, fingerprints
from protocol.worker import LegOffer
from tests.fakes.worker import FakeWorker
from tests.plugin_cast import Cast
from tests.signaling.sockets import Socket, device_socket

pytestmark = [
    pytest.mark.integration,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("no_scope"),
]


def sdp(byte: str) -> str:
    return f"v=0\r\na=fingerprint:sha-256 {':'.join([byte] * 32)}\r\n"


def call_make(member: Membership, device: Device) -> Call:
    with scopes_disabled():
        device.refresh_from_db()
        return call_start(membership=member, device=device)


async def called(cast: Cast) -> tuple[Socket, Call]:
    socket = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
    return socket, await sync_to_async(call_make)(cast.anna, cast.kitchen)


async def answered(socket: Socket, worker: FakeWorker, call: Call, **offer: Any) -> dict[str, Any]:
    """What the device hears after its offer, which the worker answers with 22:22..."""
    await socket.say("webrtc_offer", call_id=str(call.public_id), sdp=sdp("11"), **offer)
    command = await asyncio.wait_for(worker.command(), 10)
    assert isinstance(command, LegOffer)
    await HubDoor(worker.worker_id).answer(
        reply_channel=command.reply_channel,
        request_id=command.request_id,
        call_id=command.call_id,
        sdp=sdp("22"),
    )
    return await socket.hear("webrtc_answer")


def is_signed(message: dict[str, Any], device: Device, *, offered: str, answered: str) -> bool:
    key = authority_get().private_key.public_key()
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    text = answer_text(
        device_id=str(device.public_id),
        call_id=message["call_id"],
        request_id=message["reply_to"],
        offered=fingerprints(offered),
        answered=fingerprints(answered),
    )
    return signature_is_valid(public_key_pem=pem, signature=message["proof"], text=text)


async def test_an_answer_is_signed_for_the_certificates_of_both_ends(cast: Cast) -> None:
    async with FakeWorker() as worker:
        socket, call = await called(cast)
        message = await answered(socket, worker, call, id="offer-1")
        assert is_signed(message, cast.kitchen, offered=sdp("11"), answered=message["sdp"])
        assert not is_signed(message, cast.kitchen, offered=sdp("33"), answered=sdp("22"))
        assert not is_signed(message, cast.kitchen, offered=sdp("11"), answered=sdp("33"))
        assert not is_signed(message, cast.cellar, offered=sdp("11"), answered=sdp("22"))
        for change in ({"call_id": str(uuid4())}, {"reply_to": "offer-2"}):
            assert not is_signed(message | change, cast.kitchen, offered=sdp("11"), answered=sdp("22"))
        await socket.close()


async def test_an_offer_without_an_id_gets_an_answer_without_a_signature(cast: Cast) -> None:
    async with FakeWorker() as worker:
        socket, call = await called(cast)
        await socket.say("webrtc_offer", call_id=str(call.public_id), sdp="v=0", id="names nothing")
        await asyncio.wait_for(worker.command(), 10)
        assert "proof" in await answered(socket, worker, call)
        await socket.close()


async def test_that_a_device_refused_an_answer_stands_in_the_record_once_for_each_call(cast: Cast) -> None:
    async with FakeWorker():
        socket, call = await called(cast)
        for call_id in (call.public_id, call.public_id, uuid4()):
            await socket.say("answer_refused", call_id=str(call_id))
        assert (await socket.hear("error"))["code"] == "not_found"
        entries = [entry async for entry in audit_list(cast.anna.household)]
        assert [audit_sentence(entry) for entry in entries if entry.kind == "answer_refused"] == [
            "Kitchen speaker refused a connection: the answer did not come from this hub."
        ]
        again = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
        await again.say("answer_refused", call_id=str(call.public_id))
        await again.say("ping")
        await again.hear("pong")
        kinds = [entry.kind async for entry in audit_list(cast.anna.household)]
        assert kinds.count("answer_refused") == 1
        await again.close()
        await socket.close()


async def test_of_a_call_that_is_over_nothing_is_written_down(cast: Cast) -> None:
    async with FakeWorker():
        socket, call = await called(cast)
        await socket.say("call_end", call_id=str(call.public_id))
        await socket.hear("call_end")
        await socket.say("answer_refused", call_id=str(call.public_id))
        await socket.say("ping")
        await socket.hear("pong")
        kinds = [entry.kind async for entry in audit_list(cast.anna.household)]
        assert "answer_refused" not in kinds
        await socket.close()


async def test_a_device_says_nothing_of_a_call_of_somebody_else(cast: Cast) -> None:
    async with FakeWorker():
        socket, call = await called(cast)
        other = await device_socket(cast.cellar, cast.keys[cast.cellar.pk])
        await other.say("answer_refused", call_id=str(call.public_id))
        assert (await other.hear("error"))["code"] == "not_found"
        for member in (cast.anna, cast.carla):
            kinds = [entry.kind async for entry in audit_list(member.household)]
            assert "answer_refused" not in kinds
        await other.close()
        await socket.close()
