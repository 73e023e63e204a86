"""The proof of the claimed key, and the hub's own: what is refused, and what an answer is worth."""

import json
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from cryptography.hazmat.primitives.asymmetric import ec
from django_scopes import scope, scopes_disabled

from common.push import apush, group_device
from devices.identity.certificates import authority_get, signature_is_valid
from devices.life.transfers import transfer_accept, transfer_create, transfer_find
from devices.models import Device
from devices.services import device_unclaim
from protocol.errors import CloseCode
from protocol.identity import HubWord, hub_text, login_text
from protocol.messages.household import Unclaimed
from tests.plugin_cast import Cast
from tests.signaling.sockets import DEVICE_NONCE, Socket, device_hello, device_socket, sign

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]


async def opened() -> tuple[Socket, dict[str, Any]]:
    socket = Socket("/ws/device/", [])
    await socket.open()
    return socket, await socket.hear("challenge")


async def is_refused(socket: Socket) -> None:
    assert (await socket.hear("error", "hello_ack", "unclaimed"))["code"] == "not_signed_in"
    assert await socket.closed() == CloseCode.NOT_SIGNED_IN


def epoch_set(device: Device, epoch: int) -> None:
    with scopes_disabled():
        Device.objects.filter(pk=device.pk).update(claim_epoch=epoch)


def is_proved(message: dict[str, Any], device: Device, *, word: HubWord, nonce: str = DEVICE_NONCE) -> bool:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = authority_get().private_key.public_key()
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    text = hub_text(word=word, device_id=str(device.public_id), nonce=nonce)
    return signature_is_valid(public_key_pem=pem, signature=message["proof"], text=text)


@pytest.mark.parametrize(
    "change",
    [
        {"hub_id": "00" * 32},
        {"nonce": "of another connection"},
        {"epoch": 2},
        {"device_id": "5f1d7c0e-9a3b-4c2d-8e6f-7a8b9c0d1e2f"},
    ],
    ids=lambda change: next(iter(change)),
)
@pytest.mark.parametrize("epoch", [1, None], ids=["today", "as the first agents"])
async def test_a_signature_for_something_else_is_worth_nothing(
    cast: Cast, change: dict[str, Any], epoch: int | None
) -> None:
    key, device_id = cast.keys[cast.kitchen.pk], str(cast.kitchen.public_id)
    socket, challenge = await opened()
    fields = {"nonce": challenge["nonce"], "hub_id": challenge["hub_id"], "device_id": device_id}
    signed = sign(key, login_text(**{**fields, "epoch": epoch, **change}))
    said = {"epoch": epoch} if epoch else {}
    await socket.say("hello", device_id=device_id, signature=signed, agent_version="1", **said)
    await is_refused(socket)


async def test_what_was_heard_on_one_connection_is_worth_nothing_on_another(cast: Cast) -> None:
    key, device_id = cast.keys[cast.kitchen.pk], str(cast.kitchen.public_id)
    first, challenge = await opened()
    text = login_text(nonce=challenge["nonce"], hub_id=challenge["hub_id"], device_id=device_id, epoch=1)
    hello = {"device_id": device_id, "signature": sign(key, text), "agent_version": "1", "epoch": 1}
    second, _ = await opened()
    await second.say("hello", **hello)
    await is_refused(second)
    await first.say("hello", **hello)
    await first.hear("hello_ack")
    await first.say("hello", **hello)  # on its own connection a second time, too
    await is_refused(first)


@pytest.mark.parametrize("said", [1, 3, None])
async def test_a_login_of_another_epoch_is_refused(cast: Cast, said: int | None) -> None:
    await sync_to_async(epoch_set)(cast.kitchen, 2)
    socket = Socket("/ws/device/", [])
    await socket.open()
    await device_hello(socket, cast.kitchen, cast.keys[cast.kitchen.pk], epoch=said)
    await is_refused(socket)
    socket = Socket("/ws/device/", [])
    await socket.open()
    await device_hello(socket, cast.kitchen, cast.keys[cast.kitchen.pk], epoch=2)
    await socket.hear("hello_ack")
    await socket.close()


async def test_the_epoch_in_the_message_has_to_be_the_one_that_was_signed(cast: Cast) -> None:
    await sync_to_async(epoch_set)(cast.kitchen, 2)
    key, device_id = cast.keys[cast.kitchen.pk], str(cast.kitchen.public_id)
    socket, challenge = await opened()
    text = login_text(nonce=challenge["nonce"], hub_id=challenge["hub_id"], device_id=device_id, epoch=1)
    await socket.say("hello", device_id=device_id, signature=sign(key, text), agent_version="1", epoch=2)
    await is_refused(socket)


async def test_a_foreign_device_has_no_key_to_log_in_with(cast: Cast) -> None:
    with scopes_disabled():
        await Device.objects.filter(pk=cast.kitchen.pk).aupdate(kind="foreign", public_key_pem="")
    socket = Socket("/ws/device/", [])
    await socket.open()
    await device_hello(socket, cast.kitchen, ec.generate_private_key(ec.SECP256R1()))
    await is_refused(socket)


async def test_the_hub_proves_itself_to_a_device_that_asks(cast: Cast) -> None:
    socket = Socket("/ws/device/", [])
    await socket.open()
    await device_hello(socket, cast.kitchen, cast.keys[cast.kitchen.pk])
    ack = await socket.hear("hello_ack")
    assert is_proved(ack, cast.kitchen, word=HubWord.WELCOME)
    assert not is_proved(ack, cast.kitchen, word=HubWord.UNCLAIMED)
    assert not is_proved(ack, cast.cellar, word=HubWord.WELCOME)
    assert not is_proved(ack, cast.kitchen, word=HubWord.WELCOME, nonce="x" * 32)
    await socket.close()


async def test_an_agent_that_sends_no_nonce_gets_no_proof(cast: Cast) -> None:
    socket = Socket("/ws/device/", [])
    await socket.open()
    await device_hello(socket, cast.kitchen, cast.keys[cast.kitchen.pk], epoch=None)
    assert "proof" not in await socket.hear("hello_ack")
    await socket.close()


def unclaim(cast: Cast) -> None:
    with scope(household=cast.anna.household):
        device_unclaim(device=cast.kitchen)


@pytest.mark.parametrize("is_online", [True, False])
async def test_that_a_device_was_removed_is_proved_whenever_it_hears_of_it(
    cast: Cast, is_online: bool
) -> None:
    key = cast.keys[cast.kitchen.pk]
    if is_online:
        socket = await device_socket(cast.kitchen, key)
        await sync_to_async(unclaim)(cast)
    else:
        await sync_to_async(unclaim)(cast)
        socket = Socket("/ws/device/", [])
        await socket.open()
        await device_hello(socket, cast.kitchen, key)
    assert is_proved(await socket.hear("unclaimed"), cast.kitchen, word=HubWord.UNCLAIMED)
    assert await socket.closed() == CloseCode.REVOKED


async def test_a_message_alone_does_not_make_the_hub_say_that_a_device_was_removed(cast: Cast) -> None:
    socket = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
    await apush(group_device(cast.kitchen.public_id), Unclaimed(reason="Somebody says so."))
    await socket.say("ping", id="1")
    assert (await socket.hear("pong", "unclaimed"))["type"] == "pong"
    await socket.close()


@pytest.mark.parametrize("nonce", ["short", "x" * 87, "with a line\nbreak in it, which is long enough"])
async def test_a_nonce_of_another_form_is_no_hello(cast: Cast, nonce: str) -> None:
    socket, challenge = await opened()
    device_id = str(cast.kitchen.public_id)
    text = login_text(nonce=challenge["nonce"], hub_id=challenge["hub_id"], device_id=device_id, epoch=1)
    hello = {"device_id": device_id, "signature": sign(cast.keys[cast.kitchen.pk], text), "epoch": 1}
    await socket.say_text(json.dumps({"type": "hello", "agent_version": "1", "nonce": nonce, **hello}))
    assert (await socket.hear())["code"] == "bad_message"
    await socket.close()


async def hello_of_another_key(device: Device, *, epoch: int) -> Socket:
    socket = Socket("/ws/device/", [])
    await socket.open()
    await device_hello(socket, device, ec.generate_private_key(ec.SECP256R1()), epoch=epoch)
    return socket


@pytest.mark.parametrize("epoch", [1, 3], ids=["older", "newer"])
async def test_a_key_that_the_hub_has_lost_hears_of_the_removal_and_nothing_before(
    cast: Cast, epoch: int
) -> None:
    await sync_to_async(epoch_set)(cast.kitchen, 2)
    await is_refused(await hello_of_another_key(cast.kitchen, epoch=epoch))
    await sync_to_async(unclaim)(cast)
    socket = await hello_of_another_key(cast.kitchen, epoch=epoch)
    told = await socket.hear("unclaimed", "error")
    assert is_proved(told, cast.kitchen, word=HubWord.UNCLAIMED)
    assert await socket.closed() == CloseCode.REVOKED
    await is_refused(await hello_of_another_key(cast.kitchen, epoch=2))


async def test_whoever_cannot_prove_to_be_the_device_hears_no_code_for_its_new_home(cast: Cast) -> None:
    def give() -> None:
        with scopes_disabled():
            _, token = transfer_create(membership=cast.anna, device=cast.kitchen)
            found = transfer_find(token=token)
            transfer_accept(
                transfer=found, membership=cast.carla, name="Mill", room=None, is_auto_answer=True
            )

    await sync_to_async(give)()
    socket = await hello_of_another_key(cast.kitchen, epoch=2)
    assert "transfer_code" not in await socket.hear("unclaimed")
    await socket.closed()
    socket = Socket("/ws/device/", [])
    await socket.open()
    await device_hello(socket, cast.kitchen, cast.keys[cast.kitchen.pk])
    assert (await socket.hear("unclaimed"))["transfer_code"]
    await socket.closed()


async def test_a_device_that_no_row_names_hears_so_with_the_hubs_proof(cast: Cast) -> None:
    """The hub was restored from a backup that is older than the claim."""
    with scopes_disabled():
        await Device.objects.filter(pk=cast.kitchen.pk).adelete()
    socket = Socket("/ws/device/", [])
    await socket.open()
    await device_hello(socket, cast.kitchen, cast.keys[cast.kitchen.pk])
    unknown = await socket.hear("unknown")
    assert is_proved(unknown, cast.kitchen, word=HubWord.UNKNOWN)
    assert not is_proved(unknown, cast.kitchen, word=HubWord.UNCLAIMED)
    await is_refused(socket)


async def test_nobody_hears_that_a_device_with_a_row_is_unknown(cast: Cast) -> None:
    socket = Socket("/ws/device/", [])
    await socket.open()
    await device_hello(socket, cast.kitchen, ec.generate_private_key(ec.SECP256R1()))
    assert (await socket.hear("unknown", "unclaimed", "error"))["type"] == "error"
    assert await socket.closed() == CloseCode.NOT_SIGNED_IN
