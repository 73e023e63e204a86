"""Certificates over the device's socket."""

from datetime import datetime, timedelta

import pytest
from asgiref.sync import sync_to_async
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from django_scopes import scope, scopes_disabled

from common.clock import now
from devices.identity.certificates import fingerprint
from devices.identity.keys import device_key_ask
from devices.identity.login import device_keys
from devices.models import Device, DeviceCertificate
from devices.services import device_unclaim
from protocol.errors import CloseCode
from protocol.identity import next_key_text
from tests.plugin_cast import Cast, csr_make
from tests.signaling.sockets import Socket, device_hello, device_socket, sign

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]


async def test_a_device_is_told_the_time_when_it_is_welcomed(cast: Cast) -> None:
    socket = Socket("/ws/device/", [])
    await socket.open()
    await device_hello(socket, cast.kitchen, cast.keys[cast.kitchen.pk])
    told = datetime.fromisoformat((await socket.hear("hello_ack"))["hub_time"])
    assert abs(told - now()) < timedelta(seconds=10)
    await socket.close()


async def test_a_device_that_comes_back_after_years_renews_its_certificate(cast: Cast) -> None:
    def age() -> str:
        with scope(household=cast.anna.household):
            row = DeviceCertificate.objects.get(device=cast.kitchen)
            row.not_before, row.not_after = now() - timedelta(days=1000), now() - timedelta(days=635)
            row.save()
        return row.serial_number

    old = await sync_to_async(age)()
    key = cast.keys[cast.kitchen.pk]
    socket = await device_socket(cast.kitchen, key)
    await socket.say("certificate_in_use", serial_number=old)
    await socket.say("certificate_request", csr_pem=csr_make(key), id="c")
    answer = await socket.hear("certificate")
    certificate = x509.load_pem_x509_certificate(answer["certificate_pem"].encode())
    assert (answer["reply_to"], answer["epoch"]) == ("c", 1)
    assert certificate.not_valid_after_utc > now()
    await socket.say("certificate_in_use", serial_number=f"{certificate.serial_number:x}")
    await socket.say("ping")
    await socket.hear("pong")
    await socket.close()
    superseded = DeviceCertificate.objects.exclude(superseded_at=None)
    with scope(household=cast.anna.household):
        assert [row.serial_number async for row in superseded] == [old]


@pytest.mark.parametrize(
    ("csr_pem", "code"),
    [("no request", "bad_message"), (csr_make(), "not_allowed"), ("x" * 5000, "bad_message")],
)
async def test_a_wrong_request_gets_a_clear_error_and_the_socket_goes_on(
    cast: Cast, csr_pem: str, code: str
) -> None:
    socket = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
    await socket.say("certificate_request", csr_pem=csr_pem, id="c")
    error = await socket.hear("error")
    assert (error["code"], error["reply_to"]) == (code, "c")
    await socket.say("ping")
    await socket.hear("pong")
    await socket.close()


async def test_before_its_hello_a_device_gets_none(cast: Cast) -> None:
    socket = Socket("/ws/device/", [])
    await socket.open()
    await socket.say("certificate_request", csr_pem=csr_make(cast.keys[cast.kitchen.pk]), id="c")
    assert (await socket.hear("error"))["code"] == "not_signed_in"
    await socket.close()


async def kitchen(cast: Cast) -> Device:
    with scopes_disabled():
        return await Device.objects.aget(pk=cast.kitchen.pk)


def ask_for_a_key(cast: Cast) -> None:
    with scope(household=cast.anna.household):
        device_key_ask(membership=cast.anna, device=cast.kitchen)


async def make_next(cast: Cast, socket: Socket) -> ec.EllipticCurvePrivateKey:
    key, device = ec.generate_private_key(ec.SECP256R1()), cast.kitchen
    text = next_key_text(device_id=str(device.public_id), epoch=2, fingerprint=fingerprint(key.public_key()))
    proof = sign(cast.keys[device.pk], text)
    await socket.say("certificate_request", csr_pem=csr_make(key), proof=proof, id="next")
    assert (await socket.hear("certificate"))["epoch"] == 2
    return key


async def refused(cast: Cast, key: ec.EllipticCurvePrivateKey, *, epoch: int) -> bool:
    socket = Socket("/ws/device/", [])
    await socket.open()
    await device_hello(socket, cast.kitchen, key, epoch=epoch)
    answer = await socket.hear("hello_ack", "error")
    if answer["type"] == "hello_ack":
        await socket.close()
        return False
    assert await socket.closed() == CloseCode.NOT_SIGNED_IN
    return True


async def test_a_device_that_is_online_is_asked_for_a_key_at_once_and_one_that_comes_back_again(
    cast: Cast,
) -> None:
    key = cast.keys[cast.kitchen.pk]
    socket = await device_socket(cast.kitchen, key)
    await sync_to_async(ask_for_a_key)(cast)
    await socket.hear("key_wanted")
    await socket.close()
    for _ in range(2):
        socket = await device_socket(cast.kitchen, key)
        await socket.hear("key_wanted")
        await socket.close()


async def keys_in_a_call(cast: Cast) -> set[str]:
    """Those that a worker takes from it."""
    with scopes_disabled():
        device = await Device.objects.aget(pk=cast.kitchen.pk)
    return set(device_keys(device) or ())


async def test_the_old_key_counts_until_the_new_one_has_logged_in_and_never_again(cast: Cast) -> None:
    old_key = cast.keys[cast.kitchen.pk]
    await sync_to_async(ask_for_a_key)(cast)
    old = await device_socket(cast.kitchen, old_key)
    new_key = await make_next(cast, old)
    await old.close()
    both = {fingerprint(old_key.public_key()), fingerprint(new_key.public_key())}
    assert await keys_in_a_call(cast) == both
    assert await refused(cast, new_key, epoch=1)
    assert await refused(cast, old_key, epoch=2)
    assert not await refused(cast, old_key, epoch=1)
    old = await device_socket(cast.kitchen, old_key)
    new = await device_socket(cast.kitchen, new_key, epoch=2)
    assert await old.closed() == CloseCode.REPLACED
    await new.say("ping")
    assert (await new.hear())["type"] == "pong", "nobody asks it for a key any more"
    assert await keys_in_a_call(cast) == {fingerprint(new_key.public_key())}
    for epoch in (1, 2, 3):
        assert await refused(cast, old_key, epoch=epoch)
    for epoch in (1, 3):
        assert await refused(cast, new_key, epoch=epoch)
    await new.close()
    assert not await refused(cast, new_key, epoch=2)


async def test_a_removed_device_is_not_brought_back_by_its_next_key(cast: Cast) -> None:
    await sync_to_async(ask_for_a_key)(cast)
    socket = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
    new_key = await make_next(cast, socket)
    await socket.close()

    def unclaim() -> None:
        with scope(household=cast.anna.household):
            device_unclaim(device=cast.kitchen)

    await sync_to_async(unclaim)()
    socket = Socket("/ws/device/", [])
    await socket.open()
    await device_hello(socket, cast.kitchen, new_key, epoch=2)
    await socket.hear("unclaimed")
    assert await socket.closed() == CloseCode.REVOKED
    assert (await kitchen(cast)).claim_epoch == 1
