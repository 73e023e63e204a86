"""Whoever may not be there any more is put out at once, and what they sent is not heard any more."""

import asyncio
import re
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.sessions.models import Session
from django.db import OperationalError, transaction
from django.test import Client
from django_scopes import scope, scopes_disabled

from calls.models import Call
from common.clock import now
from common.errors import NotSignedIn
from devices.models import EchoRemoval, Loan
from devices.services import device_remove, device_update
from households.accounts.credentials import Credential, credential_membership, session_data
from households.accounts.sign_in import households_note, password_link_path
from households.events import rights_changed
from households.models import Membership, User
from households.people.members import role_change
from households.record.audit import AuditKind, audit_note
from households.roles import Role
from households.services import api_token_create, api_token_revoke
from protocol.errors import CloseCode
from signaling import browser as browser_module
from signaling import recheck as recheck_module
from signaling.pulse import pulse_get
from tests.plugin_cast import PASSWORD, Cast, device_make, loan_make
from tests.signaling.leaving import WITHIN_S, client_of, put_out, sign_out, socket_of, stays
from tests.signaling.sockets import browser, browser_open

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]


def change_password(client: Client) -> None:
    new = "another long password"
    words = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    assert client.post("/accounts/password/change/", words).status_code == 302


def change_by_link(cast: Cast) -> None:
    client = Client()
    page = client.get(password_link_path(User.objects.get(pk=cast.anna.user.pk)), follow=True)
    new = {"password1": "another long password", "password2": "another long password"}
    assert client.post(page.request["PATH_INFO"], new).status_code == 302


def remove(member: Membership, actor: Membership) -> None:
    """As the service that removes a member does."""
    with transaction.atomic():
        Membership.objects.filter(pk=member.pk).delete()
        rights_changed.send(sender=Membership, household=member.household, user=member.user)
        audit_note(member.household, AuditKind.REMOVED, actor=actor.user, person=member.user)


async def test_signing_out_closes_the_sockets_of_that_browser_in_words(cast: Cast) -> None:
    client = await sync_to_async(client_of)(cast.anna)
    pages = [await socket_of(client) for _ in range(2)]
    await sync_to_async(sign_out)(client)
    for page in pages:
        last = await put_out(page)
        assert (last["code"], last["message"]) == ("not_signed_in", "You were signed out.")


async def test_a_new_password_closes_the_sockets_of_that_browser_too(cast: Cast) -> None:
    client = await sync_to_async(client_of)(cast.anna)
    page = await socket_of(client)
    await sync_to_async(change_password)(client)
    assert (await put_out(page))["code"] == "not_signed_in"


async def test_signing_out_leaves_other_browsers_and_other_people_alone(cast: Cast) -> None:
    client = await sync_to_async(client_of)(cast.anna)
    page, own_other, ben = await socket_of(client), await browser(cast.anna), await browser(cast.ben)
    await sync_to_async(sign_out)(client)
    await put_out(page)
    for socket in (own_other, ben):
        await stays(socket)


async def test_a_new_password_closes_the_sockets_of_every_browser_of_the_person(cast: Cast) -> None:
    client = await sync_to_async(client_of)(cast.anna)
    elsewhere, ben = await browser(cast.anna), await browser(cast.ben)
    await sync_to_async(change_password)(client)
    last = await put_out(elsewhere)
    assert (last["code"], last["message"]) == ("not_signed_in", "The password of this account was changed.")
    await stays(ben)


async def test_a_link_for_a_new_password_puts_everybody_out_with_the_reason(cast: Cast) -> None:
    page = await browser(cast.anna)
    await sync_to_async(change_by_link)(cast)
    assert (await put_out(page))["message"] == "The password of this account was changed."


@pytest.mark.parametrize("is_by_link", [False, True])
async def test_a_look_that_comes_when_the_session_is_gone_knows_the_reason_too(
    cast: Cast, is_by_link: bool
) -> None:
    def look_late() -> str:
        client, other = client_of(cast.anna), client_of(cast.anna)
        credential = Credential.of_session(client.cookies["hearthline_session"].value)
        client.get("/")  # so that it stands among the sign-ins
        change_by_link(cast) if is_by_link else change_password(other)
        assert session_data(credential) == {}
        with pytest.raises(NotSignedIn) as refusal:
            credential_membership(credential, cast.anna.household, cast.anna.user)
        return refusal.value.message

    assert await sync_to_async(look_late)() == "The password of this account was changed."


async def test_who_signs_out_after_a_new_password_was_signed_out_and_no_more_is_said(cast: Cast) -> None:
    client = await sync_to_async(client_of)(cast.anna)
    await sync_to_async(change_password)(client)
    page = await socket_of(client)
    await sync_to_async(households_note)(cast.anna.user, AuditKind.SIGNED_IN, actor=cast.anna.user)
    await sync_to_async(sign_out)(client)
    assert (await put_out(page))["message"] == "You were signed out."


async def test_a_session_that_was_ended_on_another_device_loses_its_socket(cast: Cast) -> None:
    page = await browser(cast.anna)
    await sync_to_async(Session.objects.all().delete)()  # as the page of sessions does, one by one
    assert (await put_out(page))["message"] == "You were signed out."


async def test_an_account_that_was_locked_loses_its_sockets(cast: Cast) -> None:
    page = await browser(cast.ben)
    cast.ben.user.is_active = False
    await sync_to_async(cast.ben.user.save)()
    await put_out(page)


async def test_a_removed_member_reads_who_removed_them(cast: Cast) -> None:
    page, anna = await browser(cast.ben), await browser(cast.anna)
    await sync_to_async(remove)(cast.ben, cast.anna)
    last = await put_out(page)
    assert (last["code"], last["message"]) == ("not_a_member", "Anna removed you from Lake House.")
    await stays(anna)


async def test_a_revoked_token_closes_the_socket_of_its_program_and_no_other(cast: Cast) -> None:
    programs = []
    for _ in range(2):
        row, token = await sync_to_async(api_token_create)(membership=cast.anna, name="robot")
        socket = await browser_open(None, headers=[])
        await socket.say("hello", token=token)
        await socket.hear("hello_ack")
        programs.append((row, socket))
    (revoked, first), (_, second) = programs
    await sync_to_async(api_token_revoke)(membership=cast.anna, public_id=str(revoked.public_id))
    assert (await put_out(first))["message"] == "This API token was revoked."
    await stays(second)


async def test_a_hint_alone_puts_nobody_out(cast: Cast) -> None:
    page = await browser(cast.ben)
    await sync_to_async(rights_changed.send)(
        sender=Membership, household=cast.ben.household, user=cast.ben.user
    )
    await asyncio.sleep(0.3)
    await stays(page)


async def test_a_change_for_everybody_reaches_everybody(cast: Cast) -> None:
    pages = [await browser(cast.anna), await browser(cast.ben)]
    await Membership.objects.filter(household=cast.anna.household).adelete()
    await sync_to_async(rights_changed.send)(sender=Membership, household=cast.anna.household, user=None)
    for page in pages:
        assert (await put_out(page))["code"] == "not_a_member"


async def test_the_socket_of_a_session_that_ended_cannot_say_hello(cast: Cast) -> None:
    page = await browser_open(cast.anna)
    await Session.objects.all().adelete()
    await page.say("hello")
    assert (await page.hear())["code"] == "not_signed_in"
    assert await page.closed() == CloseCode.NOT_SIGNED_IN


async def test_nothing_that_comes_after_is_heard(cast: Cast) -> None:
    client = await sync_to_async(client_of)(cast.anna)
    page = await socket_of(client)
    await sync_to_async(sign_out)(client)
    await page.hear("error")
    await page.say("hello")
    await page.say("call_invite", device_id=str(cast.kitchen.public_id))
    await page.say("ping")
    assert await page.closed() == CloseCode.NOT_SIGNED_IN
    with scopes_disabled():
        assert not await Call.objects.aexists()


async def test_after_redis_was_away_the_rows_are_looked_at_again(cast: Cast) -> None:
    page, ben = await browser(cast.anna), await browser(cast.ben)
    with scopes_disabled():
        await Session.objects.all().adelete()
    await asyncio.wait_for(pulse_get().catch_up(), WITHIN_S)
    for socket in (page, ben):
        await put_out(socket)


async def test_a_lost_hint_is_made_good_by_the_socket_itself(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recheck_module, "EVERY_S", 0.2)
    page = await browser(cast.ben)
    await asyncio.sleep(0.4)  # looked at, and looked at again
    await Membership.objects.filter(pk=cast.ben.pk).adelete()
    assert (await put_out(page))["code"] == "not_a_member"


async def test_a_database_that_is_away_ends_nothing_and_is_asked_again(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recheck_module, "AGAIN_S", 0.1)
    real, tries = credential_membership, []

    def away_at_first(*args: Any) -> Membership:
        tries.append(args)
        if len(tries) < 4:
            raise OperationalError("the database system is starting up")
        return real(*args)

    page = await browser(cast.ben)
    await page.hear("presence")  # all that comes with a hello
    monkeypatch.setattr(browser_module, "credential_membership", away_at_first)
    await Membership.objects.filter(pk=cast.ben.pk).adelete()
    await sync_to_async(rights_changed.send)(
        sender=Membership, household=cast.ben.household, user=cast.ben.user
    )
    assert (await put_out(page))["code"] == "not_a_member"
    assert len(tries) == 4


async def test_open_pages_hear_that_something_was_renamed_and_not_what(cast: Cast) -> None:
    def rename() -> None:
        with scope(household=cast.anna.household):
            device_update(
                membership=cast.anna,
                device=cast.kitchen,
                name="Radio",
                room=cast.kitchen.room,
                is_auto_answer=True,
                echo_removal=EchoRemoval.DEVICE,
            )

    page, carla = await browser(cast.anna), await browser(cast.carla)
    await sync_to_async(rename)()
    async with asyncio.timeout(WITHIN_S):
        assert await page.hear("household_changed") == {"type": "household_changed"}
    await carla.say("ping")
    assert (await carla.hear("pong", "household_changed"))["type"] == "pong"
    for socket in (page, carla):
        await socket.close()


@pytest.mark.parametrize(
    ("deed", "words"),
    [
        ("loan taken back", r"Your loan of Kitchen speaker ended today at \d\d:\d\d\. Lake House ended it\."),
        (
            "device removed",
            r"Kitchen speaker was removed today at \d\d:\d\d\. So it is not lent to you any more\.",
        ),
    ],
)
async def test_a_guest_from_whom_the_last_loan_is_taken_back_is_put_out(
    cast: Cast, deed: str, words: str
) -> None:
    def lend() -> Loan:
        Membership.objects.filter(pk=cast.ben.pk).update(role=Role.GUEST)
        with scopes_disabled():
            return Loan.objects.create(
                household=cast.ben.household,
                device=cast.kitchen,
                member=cast.ben,
                can_talk=True,
                starts_at=now(),
                ends_at=now() + timedelta(hours=1),
            )

    def take_back(loan: Loan) -> None:
        with scopes_disabled(), transaction.atomic():
            Loan.objects.filter(pk=loan.pk).update(ended_at=now())
            rights_changed.send(sender=Loan, household=cast.ben.household, user=cast.ben.user)

    def device_removed(loan: Loan) -> None:
        with scope(household=cast.ben.household):
            device_remove(membership=cast.anna, device=cast.kitchen)

    loan = await sync_to_async(lend)()
    page = await browser(cast.ben)
    await page.hear("presence")
    await sync_to_async(take_back if deed == "loan taken back" else device_removed)(loan)
    last = await put_out(page)
    now_so, how = last["message"].split("\n")
    assert (last["code"], now_so) == ("not_allowed", "Nothing is lent to you in Lake House any more.")
    assert re.fullmatch(words, how)
    await stays(await browser(cast.ben))  # whose page says so, and waits for the next loan


async def test_who_becomes_a_guest_and_was_lent_nothing_reads_who_decided_that(cast: Cast) -> None:
    page = await browser(cast.ben)
    await page.hear("presence")
    await sync_to_async(role_change)(member=cast.ben, role=Role.GUEST, by=cast.anna)
    last = await put_out(page)
    words = "Anna made you a guest in Lake House.\nYou see what is lent to you."
    assert (last["code"], last["message"]) == ("not_allowed", words)


@pytest.mark.parametrize(
    ("by", "words"),
    [
        ("Anna", "Anna made you a guest in Lake House.\nYour call ended. You see what is lent to you."),
        ("themselves", "You are a guest in Lake House now.\nYour call ended. You see what is lent to you."),
    ],
)
async def test_who_becomes_a_guest_in_a_call_reads_that_and_not_of_a_loan_of_before(
    cast: Cast, by: str, words: str
) -> None:
    def prepare() -> Membership:
        member = cast.ben
        if by == "themselves":
            role_change(member=member, role=Role.OWNER, by=cast.anna)
            member.refresh_from_db()
        moment = now()
        with scopes_disabled():
            other, _ = device_make(cast.anna, "Bedroom phone", "Bedroom")
            for device in (other, cast.kitchen):  # the other one, and the very device of the call
                loan = loan_make(device, member, can_talk=True)
                Loan.objects.filter(pk=loan.pk).update(ended_at=moment)
            Call.objects.create(
                household=member.household, device=cast.kitchen, started_by=member.user, state="connected"
            )
        return member

    member = await sync_to_async(prepare)()
    page = await browser(member)
    await page.hear("presence")
    by_whom = member if by == "themselves" else cast.anna
    await sync_to_async(role_change)(member=member, role=Role.GUEST, by=by_whom)
    assert (await put_out(page))["message"] == words

    def reason() -> str:
        with scopes_disabled():
            return Call.objects.get().reason

    said = {
        "Anna": "Anna made Ben a guest in Lake House.",
        "themselves": "Ben may no longer call Kitchen speaker. An owner of Lake House decided that.",
    }
    assert await sync_to_async(reason)() == said[by]


async def test_a_guest_whose_last_loan_runs_out_is_put_out_when_it_does(cast: Cast) -> None:
    """By the clock: nobody gives a hint, and the next look by itself would be most of a minute away."""

    def lend() -> None:
        Membership.objects.filter(pk=cast.ben.pk).update(role=Role.GUEST)
        with scopes_disabled():
            loan_make(cast.kitchen, cast.ben, can_talk=True, ends_at=now() + timedelta(seconds=3))

    await sync_to_async(lend)()
    page = await browser(cast.ben)
    await page.hear("presence")
    assert (await put_out(page))["code"] == "not_allowed"


async def test_another_role_is_taken_over_by_an_open_socket(cast: Cast) -> None:
    def demote() -> None:
        with transaction.atomic():
            Membership.objects.filter(pk=cast.ben.pk).update(role=Role.GUEST)
            rights_changed.send(sender=Membership, household=cast.ben.household, user=cast.ben.user)

    page = await browser(cast.ben)  # a child, who may call
    await page.hear("presence")
    await sync_to_async(demote)()
    assert (await put_out(page))["code"] == "not_allowed"
