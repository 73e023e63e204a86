"""A device that was removed: nothing of it works any more, from that moment on."""

import pytest
from asgiref.sync import sync_to_async
from django.test import Client
from django_scopes import scope, scopes_disabled

from common.errors import NotFound
from devices.access import access_device
from devices.claiming.authorization import PollProblem, authorization_poll, authorization_start
from devices.claiming.confirmation import authorization_confirm, authorization_find
from devices.identity.login import device_keys
from devices.models import Device, DeviceCertificate
from devices.services import device_unclaim
from households.roles import Permission
from protocol.enrollment import AuthorizationRequest
from protocol.errors import CloseCode
from protocol.worker import CallClose
from tests.fakes.worker import FakeWorker
from tests.plugin_cast import Cast, csr_make
from tests.signaling.sockets import Socket, browser, device_hello, device_socket
from tests.signaling.test_announcements import announce
from tests.signaling.test_calls import call_row, invite, join

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]


@sync_to_async
def remove(cast: Cast) -> None:
    with scope(household=cast.anna.household):
        device_unclaim(device=cast.kitchen, by=cast.anna.user)


async def test_its_socket_is_closed_with_the_word_that_makes_it_forget(cast: Cast) -> None:
    device = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
    await remove(cast)
    assert (await device.hear("unclaimed"))["reason"] == "The device was removed from its home."
    assert await device.closed() == CloseCode.REVOKED


async def test_one_that_was_away_hears_it_at_every_login_and_gets_in_at_none(cast: Cast) -> None:
    await remove(cast)
    for _ in range(2):
        device = Socket("/ws/device/", [])
        await device.open()
        await device_hello(device, cast.kitchen, cast.keys[cast.kitchen.pk])
        await device.hear("unclaimed")
        assert await device.closed() == CloseCode.REVOKED


async def test_its_call_ends_with_the_reason_and_its_media_stop(cast: Cast) -> None:
    async with FakeWorker() as worker:
        page = await browser(cast.anna)
        device = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
        call_id = await invite(page, cast)
        await device.say("call_accept", call_id=call_id)
        await page.hear("call_state")
        await join(call_id)
        await remove(cast)
        assert (await page.hear("call_end"))["reason"] == "Kitchen speaker was removed."
        assert isinstance(await worker.command(), CallClose)
        assert (await call_row(call_id)).ended_at is not None
        assert await device.closed() == CloseCode.REVOKED
        await page.close()


async def test_nobody_can_call_it_any_more(cast: Cast) -> None:
    async with FakeWorker():
        page = await browser(cast.anna)
        await remove(cast)
        for device_id, words in (
            (cast.kitchen.public_id, "Kitchen speaker was removed today. Its calls stay in the list."),
            ("5f1d7c0e-9a3b-4c2d-8e6f-7a8b9c0d1e2f", "There is no such device."),
        ):
            await page.say("call_invite", device_id=str(device_id), id="c")
            error = await page.hear("error")
            assert (error["code"], error["message"]) == ("not_found", words)
        await page.close()


async def test_a_link_to_a_clip_that_it_was_given_leads_nowhere(cast: Cast) -> None:
    device = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
    await announce(cast)
    link = (await device.hear("announce"))["clip_url"]
    fetch = sync_to_async(Client().get)
    assert (await fetch(link)).status_code == 200
    await remove(cast)
    assert (await fetch(link)).status_code == 404
    assert await device.closed() == CloseCode.REVOKED


async def test_what_waited_for_it_is_not_announced_when_it_comes_back(cast: Cast) -> None:
    await announce(cast)
    await remove(cast)
    device = Socket("/ws/device/", [])
    await device.open()
    await device_hello(device, cast.kitchen, cast.keys[cast.kitchen.pk])
    assert (await device.hear())["type"] == "unclaimed"
    await device.closed()


@sync_to_async
def _is_gone(cast: Cast) -> None:
    with scope(household=cast.anna.household):
        kitchen = Device.objects.get(pk=cast.kitchen.pk)
        assert device_keys(kitchen) == frozenset(), "no key of it may encrypt a call"
        assert not DeviceCertificate.objects.filter(device=kitchen, revoked_at=None).exists()
        for needed in (
            Permission.DEVICES_SEE,
            Permission.CALL,
            Permission.ANNOUNCE,
            Permission.DEVICES_MANAGE,
        ):
            with pytest.raises(NotFound):
                access_device(membership=cast.anna, public_id=kitchen.public_id, need=needed)


async def test_no_key_certificate_or_right_of_it_is_left(cast: Cast) -> None:
    await remove(cast)
    await _is_gone(cast)


@sync_to_async
def _poll_again(cast: Cast) -> str:
    with scopes_disabled():
        request = AuthorizationRequest(csr_pem=csr_make(), model="Box", serial="SN-77")
        codes = authorization_start(request=request, base_url="http://hub")
        found = authorization_find(membership=cast.anna, user_code=codes.user_code)
        device = authorization_confirm(
            membership=cast.anna, authorization=found, name="Hall", room=None, is_auto_answer=True
        )
        authorization_poll(device_code=codes.device_code)
        device_unclaim(device=device, by=cast.anna.user)
        with pytest.raises(PollProblem) as problem:
            authorization_poll(device_code=codes.device_code)
    return problem.value.error


async def test_the_code_with_which_it_was_claimed_gives_no_certificate_any_more(cast: Cast) -> None:
    assert await _poll_again(cast) == "expired_token"
