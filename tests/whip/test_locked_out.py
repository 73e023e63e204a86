"""A token that is replaced, or a device that is removed, while the worker answers its offer: nothing is kept."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, TypeVar

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, transaction
from django_scopes import scopes_disabled

from calls.models import WhipSession
from calls.workers.whip import whip_session_start
from common.errors import NotSignedIn
from common.push import apush_channel
from devices.foreign import device_token_open, device_token_renew
from devices.models import Device, DeviceToken
from devices.services import device_unclaim
from protocol.messages.connection import WebrtcAnswer
from protocol.worker import LegClose, LegJoin, LegOffer
from tests.fakes.worker import FakeWorker
from tests.plugin_cast import Cast
from tests.whip.door import ANSWER, Door, called, heard, next_of, problem
from tests.whip.offers import OFFER
from tests.whip.test_standing import moved

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]
Result = TypeVar("Result")
LOCKED_OUT = (401, "This token lets no device in. Make a new one on the page of the device.")


def the_device(door: Door) -> Device:
    return Device.objects.select_related("household").get(pk=door.device.pk)


async def meanwhile(deed: Callable[..., Result], *args: Any) -> Result:
    """In a thread of its own, as another request: the one of the offer waits for the worker."""

    def run() -> Result:
        try:
            with scopes_disabled():
                return deed(*args)
        finally:
            connection.close()

    return await sync_to_async(run, thread_sensitive=False)()


def renew(door: Door) -> str:
    return device_token_renew(device=the_device(door))[1]


def remove(door: Door) -> None:
    device_unclaim(device=the_device(door))


@sync_to_async
def is_connected() -> bool:
    with scopes_disabled():
        return WhipSession.objects.filter(ended_at=None).exists()


async def offered(door: Door, worker: FakeWorker) -> tuple[LegOffer, "asyncio.Future[Any]"]:
    """The worker has the offer, and has not answered yet."""
    asking = asyncio.ensure_future(door.ask("POST", body=OFFER))
    return await next_of(worker, LegOffer), asking


async def answer(offer: LegOffer) -> None:
    await apush_channel(offer.reply_channel, WebrtcAnswer(sdp=ANSWER, reply_to=offer.request_id))


@pytest.mark.parametrize("deed", [renew, remove])
async def test_who_is_locked_out_meanwhile_gets_no_connection(door: Door, deed: Any) -> None:
    async with FakeWorker() as worker:
        offer, asking = await offered(door, worker)
        await meanwhile(deed, door)
        await answer(offer)
        assert problem(await asking) == LOCKED_OUT
        assert (await next_of(worker, LegClose)).leg_id == door.device.public_id
    assert not await is_connected()


async def test_the_new_token_connects_all_the_same(door: Door) -> None:
    async with FakeWorker() as worker:
        offer, asking = await offered(door, worker)
        door.token = await meanwhile(renew, door)
        await answer(offer)
        assert problem(await asking) == LOCKED_OUT
        await next_of(worker, LegClose)
        await door.connect(worker)
    assert await is_connected()


async def test_a_connection_at_a_worker_that_the_call_has_left_is_let_go(cast: Cast, door: Door) -> None:
    async with FakeWorker("first") as first:
        await door.connect(first)
        await heard(door, "first")
        call = await called(cast, door)
        await next_of(first, LegJoin)
        async with FakeWorker("second"):
            offer, asking = await offered(door, first)
            assert await meanwhile(moved, call)
            assert (await next_of(first, LegClose)).leg_id == door.device.public_id
            await answer(offer)
            assert problem(await asking) == (503, "The call has moved. Connect again.")
            assert (await next_of(first, LegClose)).leg_id == door.device.public_id


def test_a_connection_waits_until_the_token_is_replaced(door: Door) -> None:
    def start(token: DeviceToken) -> None:
        try:
            with scopes_disabled():
                whip_session_start(token=token, worker_id="w", ice_ufrag="u")
        finally:
            connection.close()

    token = device_token_open(door.token)
    with ThreadPoolExecutor(1) as pool:
        with scopes_disabled(), transaction.atomic():
            device_token_renew(device=the_device(door))
            starting = pool.submit(start, token)
            assert wait([starting], timeout=0.5).not_done
        with pytest.raises(NotSignedIn):
            starting.result()
    with scopes_disabled():
        assert not WhipSession.objects.exists()
