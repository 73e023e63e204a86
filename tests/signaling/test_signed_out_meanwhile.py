"""Somebody signs out in the very moment in which their page calls, or sends its sound: nothing is carried after it."""

from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.sessions.models import Session
from django.test import Client
from django_scopes import scope

from calls.ending.carriers import leg_carry
from calls.services import call_start
from common.clock import now
from households.accounts.sessions import session_name
from households.events import rights_changed
from households.models import Membership
from households.people.invitations import invitation_create
from households.roles import Role
from protocol.worker import CallClose, LegOffer
from tests.fakes.worker import FakeWorker
from tests.plugin_cast import Cast
from tests.signaling.leaving import client_of, put_out, sign_out, socket_of
from tests.signaling.sockets import device_socket
from tests.signaling.test_calls import call_row

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]
SDP = "v=0\r\n"
SIGNED_OUT = "You were signed out."


def first(deed: Callable[[], object], then: Callable[..., Any]) -> Callable[..., Any]:
    def both(*args: Any, **kwargs: Any) -> Any:
        deed()
        return then(*args, **kwargs)

    return both


def session_end(client: Client) -> Callable[[], object]:
    """Without a hint to any socket: as if what a sign-out looks for had been looked for just before."""
    key = session_name(client.cookies[settings.SESSION_COOKIE_NAME].value)
    return lambda: Session.objects.filter(session_key=key).update(expire_date=now())


async def test_a_call_of_a_page_that_nothing_lets_in_any_more_does_not_begin(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FakeWorker():
        client = await sync_to_async(client_of)(cast.anna)
        page = await socket_of(client)
        device = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
        monkeypatch.setattr("signaling.handlers.call_start", first(session_end(client), call_start))
        await page.say("call_invite", device_id=str(cast.kitchen.public_id), id="c")
        assert (await page.hear("error"))["message"] == SIGNED_OUT
        invited = await device.hear("call_invite")
        assert (await device.hear("call_end"))["call_id"] == invited["call_id"]
        assert (await call_row(invited["call_id"])).reason == "Anna was signed out."
        await device.close()
        await page.close()


async def test_the_sound_of_a_page_that_nothing_lets_in_any_more_is_not_carried(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FakeWorker() as worker:
        client = await sync_to_async(client_of)(cast.anna)
        page = await socket_of(client)
        device = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
        await page.say("call_invite", device_id=str(cast.kitchen.public_id), id="c")
        call_id = (await page.hear("call_state"))["call_id"]
        await page.say("webrtc_offer", sdp=SDP, call_id=call_id, id="1")
        assert isinstance(await worker.command(), LegOffer)
        monkeypatch.setattr("signaling.handlers.leg_carry", first(session_end(client), leg_carry))
        await page.say("webrtc_offer", sdp=SDP, call_id=call_id, id="2")
        assert (await page.hear("error"))["message"] == SIGNED_OUT
        assert isinstance(await worker.command(), CallClose)
        assert (await call_row(call_id)).ended_at is not None
        await device.close()
        await page.close()


async def test_whoever_joins_another_home_is_not_signed_out_and_stays_in_the_call(cast: Cast) -> None:
    """Their session gets another key then."""

    def join() -> None:
        with scope(household=cast.carla.household):
            _, token = invitation_create(membership=cast.carla, role=Role.ADULT)
        assert client.post("/join/accept/", {"token": token, "consent": "on"}).status_code == 302

    async with FakeWorker():
        client = await sync_to_async(client_of)(cast.anna)
        page = await socket_of(client)
        device = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
        await page.say("call_invite", device_id=str(cast.kitchen.public_id), id="c")
        call_id = (await page.hear("call_state"))["call_id"]
        await sync_to_async(join)()
        for name in ("1", "2"):  # the look of the socket comes in between
            await page.say("ping", id=name)
            assert (await page.hear("pong", "error"))["type"] == "pong"
            await sync_to_async(rights_changed.send)(
                sender=Membership, household=cast.anna.household, user=cast.anna.user
            )
        await page.say("webrtc_offer", sdp=SDP, call_id=call_id, id="3")
        await page.say("ping", id="4")
        assert (await page.hear("pong", "error"))["type"] == "pong"
        assert (await call_row(call_id)).ended_at is None
        await sync_to_async(sign_out)(client)
        assert (await put_out(page))["message"] == f"{SIGNED_OUT}\nYour call ended with it."
        await device.close()
