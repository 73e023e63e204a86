"""STUN and TURN servers for each end of a call, and what a household that hides its addresses gets."""

import time
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import LazySettings
from django_scopes import scope

from households.models import Household, Membership
from protocol.worker import CandidateScope, LegOffer
from tests.fakes.worker import FakeWorker
from tests.plugin_cast import Cast, guest_make, loan_make
from tests.signaling.sockets import Socket, browser, device_socket

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]

TURN = ["turn:turn.example.org:3478?transport=udp", "turns:turn.example.org:5349"]


@pytest.fixture(autouse=True)
def relay(settings: LazySettings) -> None:
    settings.TURN_URLS, settings.TURN_SECRET = TURN, "a secret of this test"


async def ask(end: Socket, call_id: str | None) -> dict[str, Any]:
    await end.say("ice_servers_request", **({"call_id": call_id} if call_id else {}), id="i")
    return dict(await end.hear("ice_servers"))


async def hide_addresses(cast: Cast) -> None:
    await sync_to_async(Household.objects.filter(pk=cast.anna.household_id).update)(hides_addresses=True)


async def test_each_end_of_a_call_and_the_worker_get_fresh_credentials_for_this_call(cast: Cast) -> None:
    async with FakeWorker() as worker:
        page = await browser(cast.anna)
        device = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
        await page.say("call_invite", device_id=str(cast.kitchen.public_id))
        call_id = (await page.hear("call_state"))["call_id"]
        usernames = set()
        for end in (page, device):
            answer = await ask(end, call_id)
            stun, turn = answer["ice_servers"]
            assert (answer["reply_to"], answer["ice_transport_policy"]) == ("i", "all")
            assert stun["urls"] == ["stun:turn.example.org:3478"]
            assert turn["urls"] == TURN
            expiry, _, identity = turn["username"].partition(":")
            assert 590 < int(expiry) - time.time() <= 600
            assert identity.startswith(f"{call_id}/")
            usernames.add(turn["username"])
            await end.say("webrtc_offer", call_id=call_id, sdp="v=0")
            offer = await worker.command()
            assert isinstance(offer, LegOffer)
            assert offer.candidate_scope is CandidateScope.HOUSEHOLD
            assert identity in str(offer.ice_servers[1].username)
        assert len(usernames) == 2
        await page.close()
        await device.close()


async def test_a_foreign_call_has_no_servers_for_others(cast: Cast) -> None:
    async with FakeWorker():
        page, foreign = await browser(cast.anna), await browser(cast.carla)
        device = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
        await page.say("call_invite", device_id=str(cast.kitchen.public_id))
        call_id = (await page.hear("call_state"))["call_id"]
        await foreign.say("ice_servers_request", call_id=call_id, id="i")
        assert (await foreign.hear("error"))["code"] == "not_found"
        await page.close()
        await foreign.close()
        await device.close()


async def test_to_no_address_that_a_guest_names_in_the_network_of_the_home_is_anything_sent(
    cast: Cast,
) -> None:
    gil = await sync_to_async(_guest_with_the_kitchen)(cast)
    async with FakeWorker() as worker:
        page = await browser(gil)
        device = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
        await page.say("call_invite", device_id=str(cast.kitchen.public_id))
        call_id = (await page.hear("call_state"))["call_id"]
        await page.say("webrtc_offer", call_id=call_id, sdp="v=0")
        offer = await worker.command()
        assert isinstance(offer, LegOffer)
        assert offer.candidate_scope is CandidateScope.PUBLIC
        await page.close()
        await device.close()


def _guest_with_the_kitchen(cast: Cast) -> Membership:
    gil = guest_make(cast)
    with scope(household=gil.household):
        loan_make(cast.kitchen, gil, can_talk=True)
    return gil


async def test_in_a_home_that_hides_its_addresses_everything_goes_through_the_relay(cast: Cast) -> None:
    async with FakeWorker() as worker:
        page = await browser(cast.anna)
        await hide_addresses(cast)  # after hello: what counts is the row
        assert (await ask(page, None))["ice_transport_policy"] == "relay"
        await page.say("webrtc_offer", sdp="v=0")
        offer = await worker.command()
        assert isinstance(offer, LegOffer)
        assert offer.candidate_scope is CandidateScope.RELAY
        await page.close()


async def test_without_a_relay_calls_go_on_though_the_home_wished_to_hide(
    cast: Cast, settings: LazySettings
) -> None:
    settings.TURN_URLS = []
    await hide_addresses(cast)
    page = await browser(cast.anna)
    answer = await ask(page, None)
    assert (answer["ice_servers"], answer["ice_transport_policy"]) == ([], "all")
    await page.close()


async def test_a_device_asks_for_calls_only(cast: Cast) -> None:
    device = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
    await device.say("ice_servers_request", id="i")
    assert (await device.hear("error"))["code"] == "bad_message"
    await device.close()
