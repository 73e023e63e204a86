"""The socket of a guest: it hears of what is lent and of the own calls, and a call ends with its loan."""

from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django_scopes import scope

from common.clock import now
from devices.models import Device, Loan
from devices.presence import presence_connect
from households.events import rights_changed
from households.models import Household, Membership
from households.roles import Role
from tests.fakes.worker import FakeWorker
from tests.plugin_cast import Cast, device_go_online, device_make, guest_make, loan_make
from tests.signaling.sockets import Socket, browser, browser_open, device_socket
from tests.signaling.trips import Trips

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]

WITHIN_S = 1.0  # of the end of a loan both ends hear of it


async def within(household: Household, function: Any, *args: Any, **kwargs: Any) -> Any:
    def run() -> Any:
        with scope(household=household):
            return function(*args, **kwargs)

    return await sync_to_async(run)()


async def lend(cast: Cast, guest: Membership, **what: Any) -> Loan:
    loan: Loan = await within(guest.household, loan_make, cast.kitchen, guest, **what)
    return loan


async def loan_change(loan: Loan, **fields: Any) -> None:
    await within(loan.household, lambda: Loan.objects.filter(pk=loan.pk).update(**fields))


async def what_comes(socket: Socket) -> list[dict[str, Any]]:
    """All that is told until an answer to a question that was asked now."""
    await socket.say("ping", id="last")
    told = []
    while (message := await socket.hear())["type"] != "pong":
        told.append(message)
    return told


def devices_named(messages: list[dict[str, Any]]) -> set[str]:
    return {message["device_id"] for message in messages if "device_id" in message}


async def test_a_guest_hears_of_lent_devices_and_of_no_others(cast: Cast) -> None:
    guest = await sync_to_async(guest_make)(cast)
    attic, _ = await within(guest.household, device_make, cast.anna, "Attic speaker", "Attic")
    await lend(cast, guest, can_announce=True)
    page, anna = await browser(guest), await browser(cast.anna)
    assert devices_named(await what_comes(page)) == {str(cast.kitchen.public_id)}
    await what_comes(anna)
    for device in (attic, cast.kitchen):
        await within(guest.household, presence_connect, device=device, channel_name="x", agent_version="1")
    ids = [str(device.public_id) for device in (attic, cast.kitchen)]
    assert [(await anna.hear("presence"))["device_id"] for _ in ids] == ids
    assert (await page.hear("presence"))["device_id"] == ids[1]
    await page.close()
    await anna.close()


async def test_what_is_no_longer_lent_is_not_heard_of(cast: Cast) -> None:
    guest = await sync_to_async(guest_make)(cast)
    loan = await lend(cast, guest, can_talk=True)
    page, anna = await browser(guest), await browser(cast.anna)
    await loan_change(loan, ended_at=now())
    await what_comes(page)
    await within(guest.household, device_go_online, cast.kitchen)
    await anna.hear("presence")
    assert await what_comes(page) == []
    await page.close()
    await anna.close()


@pytest.mark.parametrize(
    "message",
    [
        {"type_": "webrtc_offer", "sdp": "v=0"},
        {"type_": "ice_candidate", "candidate": ""},
        {"type_": "ice_servers_request"},
        {"type_": "start", "voice_id": "x"},
        {"type_": "mic_start"},
        {"type_": "mic_stop"},
        {"type_": "speak", "text": "Hello."},
    ],
    ids=lambda message: message["type_"],
)
async def test_a_guest_has_no_connection_of_their_own(cast: Cast, message: dict[str, Any]) -> None:
    guest = await sync_to_async(guest_make)(cast)
    await lend(cast, guest, can_talk=True)
    page = await browser(guest)
    await page.say(**message, id="own")
    error = await page.hear("error")
    assert (error["code"], error["reply_to"]) == ("not_allowed", "own")
    await page.close()


async def test_a_guest_is_given_no_relay_with_the_welcome(cast: Cast) -> None:
    page = await browser_open(await sync_to_async(guest_make)(cast))
    await page.say("hello")
    assert (await page.hear("hello_ack"))["ice_servers"] == []
    await page.close()


async def test_who_becomes_a_guest_hears_of_nothing_more(cast: Cast) -> None:
    attic, _ = await within(cast.anna.household, device_make, cast.anna, "Attic speaker", "Attic")
    await within(cast.anna.household, loan_make, attic, cast.ben, can_announce=True)
    page, anna = await browser(cast.ben), await browser(cast.anna)
    await what_comes(page)
    await Membership.objects.filter(pk=cast.ben.pk).aupdate(role=Role.GUEST)
    home = cast.anna.household
    await sync_to_async(rights_changed.send)(sender=Membership, household=home, user=cast.ben.user)
    for _ in range(20):
        await within(home, device_go_online, cast.kitchen)
        await anna.hear("presence")
        if not await what_comes(page):
            break
    assert await what_comes(page) == []
    await page.close()
    await anna.close()


async def call_begin(page: Socket, device: Device) -> str:
    await page.say("call_invite", device_id=str(device.public_id), id="call")
    state = await page.hear("call_state", "error")
    assert state["type"] == "call_state", state
    return str(state["call_id"])


async def test_a_call_ends_with_the_loan_within_a_second_for_both_ends(cast: Cast) -> None:
    guest = await sync_to_async(guest_make)(cast)
    async with FakeWorker():
        device = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
        ends_at = now() + timedelta(seconds=2)
        await lend(cast, guest, can_talk=True, ends_at=ends_at)
        page = await browser(guest)
        await call_begin(page, cast.kitchen)
        ring = await device.hear("call_invite")
        assert not ring["auto_answer"]  # listening was not lent
        async with Trips() as trips:
            ends = [await end.hear("call_end") for end in (page, device)]
            late_s = (now() - ends_at).total_seconds()
        assert 0 <= late_s <= WITHIN_S + trips.slack_s
        assert {end["reason"] for end in ends} == {"Kitchen speaker is no longer lent to Gil."}
        await page.say("call_invite", device_id=str(cast.kitchen.public_id), id="again")
        assert (await page.hear("error"))["code"] in ("not_found", "not_allowed")
        await page.close()
        await device.close()


async def test_listening_in_ends_in_time_although_talking_is_lent_for_longer(cast: Cast) -> None:
    guest = await sync_to_async(guest_make)(cast)
    async with FakeWorker() as worker:
        device = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
        listening = await lend(cast, guest, can_listen=True)
        await lend(cast, guest, can_talk=True)
        page = await browser(guest)
        call_id = await call_begin(page, cast.kitchen)
        assert (await device.hear("call_invite"))["auto_answer"]
        await loan_change(listening, ends_at=now() + timedelta(seconds=1))
        await device.say("call_accept", call_id=call_id)
        await device.say("webrtc_offer", call_id=call_id, sdp="v=0")
        await worker.command()
        words = "Kitchen speaker is no longer lent to Gil for listening. It still rings when Gil calls."
        assert {(await end.hear("call_end"))["reason"] for end in (page, device)} == {words}
        await page.say("call_invite", device_id=str(cast.kitchen.public_id), id="again")
        assert not (await device.hear("call_invite"))["auto_answer"]
        await page.close()
        await device.close()


async def test_the_socket_of_the_device_looks_at_the_clock_too(cast: Cast) -> None:
    guest = await sync_to_async(guest_make)(cast)
    async with FakeWorker() as worker:
        device = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
        loan = await lend(cast, guest, can_talk=True)
        page = await browser(guest)
        call_id = await call_begin(page, cast.kitchen)
        await page.close()
        ends_at = now() + timedelta(seconds=1)
        await loan_change(loan, ends_at=ends_at)
        async with Trips() as trips:
            await device.say("webrtc_offer", call_id=call_id, sdp="v=0")
            await worker.command()
            assert (await device.hear("call_end"))["reason"] == "Kitchen speaker is no longer lent to Gil."
            late_s = (now() - ends_at).total_seconds()
        assert 0 <= late_s <= WITHIN_S + trips.slack_s
        await device.close()
