"""A guest with a loan: what was lent opens, and everything else is as for a guest with nothing."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from asgiref.sync import sync_to_async
from django.test import Client
from django_scopes import scope

from announcements.clips import clip_path
from announcements.services import announcement_send
from calls.models import Call, CallParticipant, ParticipantRole
from common.clock import now
from common.files import folder_make_private
from devices.gate import OfDevice, Row, Who
from devices.models import Device
from households.models import Membership
from households.roles import Permission
from protocol.base import Message
from protocol.messages.calls import CallInvite, CallState
from signaling.access_table import BROWSER
from tests.access.things import (
    GUEST_WITH_LOAN,
    ROWS,
    Things,
    a_message,
    ask,
    become,
    browser_of,
    things_make,
)
from tests.access.walk import taken_back
from tests.plugin_cast import Cast, device_make, guest_make
from tests.signaling.sockets import Socket, browser

pytestmark = [pytest.mark.integration, pytest.mark.django_db]

OPENS = (200, 302)
CLOSED = {"not_found", "not_allowed"}


@pytest.fixture
def things(cast: Cast) -> Things:
    """Of the kitchen, which is not lent."""
    return things_make(cast)


@pytest.fixture
def guest(cast: Cast) -> Membership:
    """Gil, to whom nothing is lent."""
    return guest_make(cast)


@pytest.fixture
def attic(cast: Cast) -> Device:
    with scope(household=cast.anna.household):
        device, _ = device_make(cast.anna, "Attic speaker", "Attic")
    return device


def lend(guest: Membership, attic: Device) -> None:
    """All that can be lent of it."""
    become(guest, GUEST_WITH_LOAN, attic)


def what_is_lent(things: Things, guest: Membership, attic: Device) -> Things:
    """The device, with the call and the announcement that the guest made of it."""
    with scope(household=guest.household):
        call = Call.objects.create(
            household=guest.household,
            device=attic,
            started_by=guest.user,
            state=CallState.ENDED,
            ended_at=now(),
        )
        announcement = announcement_send(membership=guest, text="I am here.", devices=[attic])
    file = clip_path(announcement.clip)
    folder_make_private(file.parent)
    file.write_bytes(bytes(64))
    return Things(
        things.ids
        | {
            "devices/": attic.public_id,
            "calls/": call.public_id,
            "announce/clips/": announcement.clip.public_id,
            "announce/": announcement.public_id,
        }
    )


def status(client: Client, method: str, path: str) -> int:
    """Of the answer. What the request did is taken back."""
    with taken_back():
        return int(ask(client, method, path).status_code)


@pytest.mark.timeout(600)  # some hundred pages; a machine that does other things takes minutes
def test_what_was_lent_opens_and_the_rest_is_as_for_a_guest_with_nothing(
    things: Things, guest: Membership, attic: Device
) -> None:
    gil = browser_of(guest)
    with_nothing = {(method, route): status(gil, method, things.path(route)) for route, method, _ in ROWS}
    lend(guest, attic)
    lent = what_is_lent(things, guest, attic)
    for route, method, row in ROWS:
        before, asked = with_nothing[method, route], f"{method} /{route}"
        own, other = (status(gil, method, of.path(route)) for of in (lent, things))
        if isinstance(row, OfDevice) and row.right is not Permission.RECORDINGS_HEAR:
            takes_id = lent.path(route) != things.path(route)
            assert (before, own in OPENS, other == 404) == (403, True, takes_id), asked
        else:
            assert other == before, asked
            assert isinstance(row, Who) or own == before == 403, asked


def test_the_own_call_with_it_is_in_the_history_and_its_sound_is_not(
    things: Things, guest: Membership, attic: Device
) -> None:
    lend(guest, attic)
    lent, gil = what_is_lent(things, guest, attic), browser_of(guest)
    assert status(gil, "GET", lent.path("calls/<uuid:public_id>/")) == 200
    assert status(gil, "GET", lent.path("calls/<uuid:public_id>/audio/")) == 403
    assert status(gil, "GET", things.path("calls/<uuid:public_id>/")) == 404


SAID = [(model, row) for model, row in BROWSER.items() if row is not Who.EVERYBODY]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("model", "row"), SAID, ids=[model.__name__ for model, _ in SAID])
async def test_messages_about_what_was_not_lent_are_refused_as_if_it_were_absent(
    cast: Cast, guest: Membership, attic: Device, model: type[Message], row: Row
) -> None:
    call = await sync_to_async(call_of_anna)(cast)
    await sync_to_async(lend)(guest, attic)
    page = await browser(guest)
    for field in ("device_id", "call_id"):
        if field in model.model_fields:
            id_ = cast.kitchen.public_id if field == "device_id" else call.public_id
            assert await refusal(page, model, id_) == await refusal(page, model, uuid4())
            assert (await refusal(page, model, id_))["code"] == "not_found"
    if isinstance(row, Permission):
        assert (await refusal(page, model, attic.public_id))["code"] == "not_allowed"
    await page.close()
    with scope(household=cast.anna.household):
        assert [one.pk async for one in Call.objects.all()] == [call.pk]
        assert (await Call.objects.aget()).state == CallState.CONNECTED


@pytest.mark.django_db(transaction=True)
async def test_messages_about_what_was_lent_are_heard(guest: Membership, attic: Device) -> None:
    page = await browser(guest)
    assert (await refusal(page, CallInvite, attic.public_id))["code"] == "not_allowed"
    await page.close()
    await sync_to_async(lend)(guest, attic)
    page = await browser(guest)
    assert (await refusal(page, CallInvite, attic.public_id))[
        "code"
    ] not in CLOSED  # it is offline, and that is said
    await page.close()


def call_of_anna(cast: Cast) -> Call:
    """With the kitchen, and going on."""
    with scope(household=cast.anna.household):
        call = Call.objects.create(
            household=cast.anna.household,
            device=cast.kitchen,
            started_by=cast.anna.user,
            state=CallState.CONNECTED,
            connected_at=now(),
        )
        CallParticipant.objects.create(
            household=cast.anna.household,
            call=call,
            role=ParticipantRole.CALLER,
            user=cast.anna.user,
            display_name="Anna",
        )
    return call


async def refusal(page: Socket, model: type[Message], id_: UUID) -> dict[str, Any]:
    """What is said to the message, without the ids."""
    await page.say(**a_message(model, id_), id="g")
    error = await page.hear("error")
    assert error.pop("reply_to") == "g"
    return {name: value for name, value in error.items() if not name.endswith("_id")}
