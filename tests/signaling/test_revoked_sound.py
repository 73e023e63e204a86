"""Whoever may not be there any more is not heard any more: their calls and connections end."""

import asyncio

import pytest
from asgiref.sync import sync_to_async
from django_scopes import scope, scopes_disabled

from calls.ending.carriers import calls_uncarried_end
from calls.models import Call
from devices.models import Device
from devices.services import device_unclaim
from households.models import User
from protocol.errors import CloseCode
from protocol.messages.calls import CallState
from protocol.worker import CallClose, LegClose, LegOffer
from signaling.pulse import pulse_get
from tests.fakes.worker import FakeWorker
from tests.plugin_cast import Cast
from tests.signaling.leaving import WITHIN_S, client_of, put_out, sign_out, socket_of
from tests.signaling.sockets import Socket, browser, device_socket

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]


async def call_from(page: Socket, cast: Cast, worker: FakeWorker) -> str:
    """A call whose connection this page made."""
    await page.say("call_invite", device_id=str(cast.kitchen.public_id), id="c")
    call_id = str((await page.hear("call_state"))["call_id"])
    await page.say("webrtc_offer", sdp="v=0", call_id=call_id)
    assert isinstance(await worker.command(), LegOffer)
    return call_id


async def ended(call_id: str) -> Call:
    async with asyncio.timeout(WITHIN_S):
        while True:
            with scopes_disabled():
                call = await Call.objects.aget(public_id=call_id)
            if call.state == CallState.ENDED:
                return call
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("is_listening", [True, False])
async def test_the_call_of_a_page_that_was_signed_out_ends_and_the_device_reads_why(
    cast: Cast, is_listening: bool
) -> None:
    async with FakeWorker() as worker:
        device = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
        client = await sync_to_async(client_of)(cast.anna)
        page = await socket_of(client)
        call_id = await call_from(page, cast, worker)
        if not is_listening:
            await page.close()  # and goes on sending sound
        await sync_to_async(sign_out)(client)
        async with asyncio.timeout(WITHIN_S):
            assert (await device.hear("call_end"))["reason"] == "Anna was signed out."
            command = await worker.command()
        assert isinstance(command, CallClose)
        assert str(command.call_id) == call_id
        if is_listening:
            await put_out(page)
        await device.close()


async def test_a_call_on_another_browser_of_the_same_person_goes_on(cast: Cast) -> None:
    async with FakeWorker() as worker:
        device = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
        client = await sync_to_async(client_of)(cast.anna)
        page, other = await socket_of(client), await browser(cast.anna)
        call_id = await call_from(page, cast, worker)
        await other.say("webrtc_offer", sdp="v=0", call_id=call_id)  # took the call over
        assert isinstance(await worker.command(), LegOffer)
        await sync_to_async(sign_out)(client)
        await put_out(page)
        with scopes_disabled():
            assert (await Call.objects.aget(public_id=call_id)).is_live
            assert await sync_to_async(calls_uncarried_end)() == 0
        await other.close()
        await device.close()


async def test_what_nobody_heard_of_the_sweep_ends(cast: Cast) -> None:
    async with FakeWorker() as worker:
        device = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
        page = await browser(cast.anna)
        call_id = await call_from(page, cast, worker)
        await User.objects.filter(pk=cast.anna.user.pk).aupdate(password="!")  # no signal tells of this
        with scopes_disabled():
            assert await sync_to_async(calls_uncarried_end)() == 1
        assert (await ended(call_id)).reason == "Anna was signed out."
        await page.close()
        await device.close()


async def test_the_own_connection_of_a_page_ends_with_it(cast: Cast) -> None:
    async with FakeWorker() as worker:
        client = await sync_to_async(client_of)(cast.anna)
        page = await socket_of(client)
        await page.say("webrtc_offer", sdp="v=0")
        offer = await worker.command()
        assert isinstance(offer, LegOffer)
        await sync_to_async(sign_out)(client)
        async with asyncio.timeout(WITHIN_S):
            assert await worker.command() == LegClose(leg_id=offer.leg_id)
        await put_out(page)


async def test_a_removed_device_whose_hint_was_lost_is_put_out_all_the_same(cast: Cast) -> None:
    device = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
    with scopes_disabled():
        await Device.objects.filter(pk=cast.kitchen.pk).aupdate(revoked_at="2026-01-01T00:00:00Z")
    await pulse_get().catch_up()
    assert (await device.hear("unclaimed"))["reason"]
    assert await device.closed() == CloseCode.REVOKED


async def test_a_removed_device_is_put_out_of_its_call(cast: Cast) -> None:
    def unclaim() -> None:
        with scope(household=cast.anna.household):
            device_unclaim(device=cast.kitchen)

    async with FakeWorker() as worker:
        device = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
        page = await browser(cast.anna)
        call_id = await call_from(page, cast, worker)
        await sync_to_async(unclaim)()
        async with asyncio.timeout(WITHIN_S):
            assert (await page.hear("call_end"))["reason"] == "Kitchen speaker was removed."
            assert isinstance(await worker.command(), CallClose)
            assert await device.closed() == CloseCode.REVOKED
        assert (await ended(call_id)).outcome
        await page.close()
