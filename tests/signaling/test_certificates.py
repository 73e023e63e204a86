"""Certificates over the device's socket."""

from datetime import datetime, timedelta

import pytest
from asgiref.sync import sync_to_async
from cryptography import x509

from common.clock import now
from devices.models import DeviceCertificate
from tests.plugin_cast import Cast, csr_make
from tests.signaling.sockets import Socket, device_hello, device_socket

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
