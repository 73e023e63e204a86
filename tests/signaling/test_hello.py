"""Who is let in at the two sockets."""

import asyncio

import pytest
from asgiref.sync import sync_to_async
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import LazySettings
from django_scopes import scope

from devices.models import DevicePresence
from devices.services import device_unclaim
from households.services import api_token_create, api_token_revoke
from protocol.errors import CloseCode
from signaling.origin import is_same_origin
from tests.plugin_cast import Cast
from tests.signaling.sockets import Socket, browser, browser_open, device_hello, device_socket

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]


def unclaim(cast: Cast) -> None:
    with scope(household=cast.anna.household):
        device_unclaim(device=cast.kitchen)


async def test_a_signed_in_browser_is_told_its_household_and_the_voices(cast: Cast) -> None:
    socket = await browser_open(cast.anna)
    await socket.say("hello", id="1")
    ack = await socket.hear("hello_ack")
    assert (ack["reply_to"], ack["household_name"]) == ("1", "Lake House")
    assert ack["voices"][0]["is_demo"]
    await socket.close()


async def test_a_stranger_is_refused(cast: Cast) -> None:
    socket = await browser_open(None)
    await socket.say("hello")
    assert (await socket.hear("error"))["code"] == "not_signed_in"
    assert await socket.closed() == CloseCode.NOT_SIGNED_IN


async def test_nothing_is_answered_before_hello(cast: Cast) -> None:
    socket = await browser_open(cast.anna)
    await socket.say("call_invite", device_id=str(cast.kitchen.public_id), id="7")
    error = await socket.hear("error")
    assert (error["code"], error["reply_to"]) == ("not_signed_in", "7")
    await socket.close()


async def test_an_api_token_lets_a_program_in_without_cookie_or_origin(cast: Cast) -> None:
    _, token = await sync_to_async(api_token_create)(membership=cast.anna, name="robot")
    socket = await browser_open(None, headers=[])
    await socket.say("hello", token=token)
    assert (await socket.hear("hello_ack"))["household_name"] == "Lake House"
    await socket.close()


async def test_a_revoked_token_lets_nobody_in(cast: Cast) -> None:
    row, token = await sync_to_async(api_token_create)(membership=cast.anna, name="robot")
    assert token not in row.token_hash
    await sync_to_async(api_token_revoke)(membership=cast.anna, public_id=str(row.public_id))
    socket = await browser_open(None, headers=[])
    await socket.say("hello", token=token)
    assert (await socket.hear("error"))["code"] == "not_signed_in"
    assert await socket.closed() == CloseCode.NOT_SIGNED_IN


async def test_a_cookie_without_an_origin_counts_for_nothing(cast: Cast) -> None:
    socket = await browser_open(cast.anna, headers=[])
    await socket.say("hello")
    assert (await socket.hear("error"))["code"] == "not_signed_in"
    assert await socket.closed() == CloseCode.NOT_SIGNED_IN


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "https://testserver",
        "http://testserver:81",
        "http://sub.testserver",
        "http://testserver.evil.example",
        "http://eviltestserver",
        "http://testserver@evil.example",
        "http://user@testserver",
        "http://xn--testserver-.example",
        "HTTP://TESTSERVER",
        "http://testserver/",
    ],
)
async def test_a_page_of_another_origin_cannot_open_the_socket(cast: Cast, origin: str) -> None:
    socket = Socket("/ws/hub/", [(b"origin", origin.encode()), (b"host", b"testserver")])
    assert not await socket.open()


@pytest.mark.parametrize(
    ("origin", "host", "is_ours"),
    [
        ("http://[::1]:8000", "[::1]:8000", True),
        ("http://[::1]", "[::1]", True),
        ("http://[::1]:80", "[::1]", True),
        ("http://[::1]:8000", "[::1]", False),
        ("http://[::2]", "[::1]", False),
        ("http://testserver", "testserver:80", True),
    ],
)
def test_an_origin_is_compared_with_its_port_also_where_the_host_is_an_address(
    origin: str, host: str, is_ours: bool, settings: LazySettings
) -> None:
    settings.IS_HUB_URL_SET = False
    assert is_same_origin(origin, host) is is_ours


async def test_a_device_that_proves_its_key_shows_as_online_and_then_as_offline(cast: Cast) -> None:
    page = await browser(cast.anna)
    assert (await page.hear("presence"))["is_online"] is False  # how it was when the page came
    device = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
    shown = await page.hear("presence")
    assert (shown["device_id"], shown["is_online"]) == (str(cast.kitchen.public_id), True)
    await device.close()
    assert (await page.hear("presence"))["is_online"] is False
    await page.close()


async def test_a_device_with_another_key_is_refused(cast: Cast) -> None:
    socket = Socket("/ws/device/", [])
    await socket.open()
    await device_hello(socket, cast.kitchen, ec.generate_private_key(ec.SECP256R1()))
    assert (await socket.hear("error"))["reply_to"] == "h"
    assert await socket.closed() == CloseCode.NOT_SIGNED_IN


async def test_a_removed_device_is_told_to_forget_its_home_when_it_comes_back(cast: Cast) -> None:
    await sync_to_async(unclaim)(cast)
    socket = Socket("/ws/device/", [])
    await socket.open()
    await device_hello(socket, cast.kitchen, cast.keys[cast.kitchen.pk])
    assert (await socket.hear())["type"] == "unclaimed"
    assert await socket.closed() == CloseCode.REVOKED


async def test_removing_a_device_closes_its_socket(cast: Cast) -> None:
    socket = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
    await sync_to_async(unclaim)(cast)
    assert (await socket.hear())["type"] == "unclaimed"
    assert await socket.closed() == CloseCode.REVOKED


async def test_the_newer_socket_of_a_device_takes_its_presence_over(cast: Cast) -> None:
    key = cast.keys[cast.kitchen.pk]
    old = await device_socket(cast.kitchen, key)
    new = await device_socket(cast.kitchen, key)
    await old.say("ping")
    assert await old.closed() == CloseCode.REPLACED
    assert await is_online(cast)
    await new.close()


async def is_online(cast: Cast) -> bool:
    with scope(household=cast.anna.household):
        return (await DevicePresence.objects.aget(device_id=cast.kitchen.pk)).is_online


async def test_a_device_that_vanished_while_the_hub_spoke_to_it_is_offline(cast: Cast) -> None:
    socket = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
    assert await is_online(cast)
    socket.vanish()
    await socket.say("ping")
    await socket.close()
    assert not await is_online(cast)


async def test_a_device_whose_socket_was_ended_from_within_is_offline(cast: Cast) -> None:
    socket = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
    assert await is_online(cast)
    await socket.kill()
    assert not await is_online(cast)
    assert not [task for task in asyncio.all_tasks() if task.get_name() in ("socket silence", "pulse")]
