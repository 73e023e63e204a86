"""Who may do what, lending, and what a guest sees: pictures, WCAG 2.2 AA, nothing that sticks out."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django_scopes import scope
from playwright.sync_api import BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from calls.models import Call, CallParticipant, ParticipantRole
from common.clock import now
from devices.models import DevicePresence, Loan
from devices.sharing.loans import loan_end
from households.models import Membership
from households.roles import Permission, Role
from protocol.messages.calls import CallState
from tests.e2e.screens import look
from tests.plugin_cast import Cast, device_make, guest_make, loan_make, rule_make

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def gil(cast: Cast) -> Membership:
    return guest_make(cast)


def call_now(cast: Cast, caller: Membership) -> Call:
    """Needs the scope."""
    began_at = now() - timedelta(minutes=2)
    call = Call.objects.create(
        household=caller.household,
        device=cast.kitchen,
        started_by=caller.user,
        state=CallState.CONNECTED,
        accepted_at=began_at,
        connected_at=began_at,
    )
    Call.objects.filter(pk=call.pk).update(created_at=began_at)
    for role, name in (
        (ParticipantRole.CALLER, caller.user.name),
        (ParticipantRole.CALLEE, cast.kitchen.name),
    ):
        CallParticipant.objects.create(household=call.household, call=call, role=role, display_name=name)
    return call


def sign_in(context: BrowserContext, live_server: LiveServer, member: Membership) -> None:
    client = Client()
    client.force_login(member.user, backend=settings.AUTHENTICATION_BACKENDS[0])
    name = settings.SESSION_COOKIE_NAME
    context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": live_server.url}])


def test_the_pages_of_rights_and_lending(page: Page, cast: Cast, gil: Membership) -> None:
    room = cast.kitchen.room
    assert room
    with scope(household=cast.anna.household):
        loan_make(cast.kitchen, gil, can_talk=True, can_listen=True, ends_at=now() + timedelta(days=2))
        rule_make(Permission.RECORDINGS_HEAR, cast.ben, device=cast.kitchen)
        rule_make(Permission.DROP_IN, cast.anna, cast.ben, room=room)
    page.goto(reverse("devices:detail", args=[cast.kitchen.public_id]))
    expect(page.get_by_text("You are not in this list.")).to_be_visible()
    expect(page.locator("#lent li", has_text="Gil")).not_to_contain_text("as soon as you end")
    assert look(page, "device-rights") == []
    with scope(household=cast.anna.household):
        call_now(cast, gil)
    page.reload()
    expect(
        page.get_by_text("Gil is in a call with it now. It ends as soon as you end this loan.")
    ).to_be_visible()
    assert look(page, "device-lent-in-call") == []
    page.goto(reverse("devices:room", args=[room.public_id]))
    assert look(page, "room") == []
    page.goto(reverse("devices:add"))
    expect(page.get_by_text("if they can send their sound to an address")).to_be_visible()
    assert look(page, "add-words") == []
    page.goto(reverse("devices:add-foreign"))
    assert look(page, "add-foreign-words") == []
    page.goto(reverse("devices:lend", args=[cast.kitchen.public_id]))
    expect(page.get_by_label("Their name")).to_be_hidden()
    page.get_by_label("Somebody new").check()
    expect(page.get_by_label("Their name")).to_be_visible()
    page.get_by_label("Another time").check()
    assert look(page, "lend") == []
    page.get_by_label("Their name").fill("Olga")
    page.get_by_label("1 hour").check()
    page.get_by_role("button", name="Lend it").click()
    expect(page.get_by_text("Give this link to Olga now")).to_be_visible()
    assert look(page, "lend-link") == []
    page.get_by_role("link", name="Done").click()
    expect(page.get_by_text("Has not come yet")).to_be_visible()
    page.locator("#lent li", has_text="Gil").get_by_role("button", name="End now").click()
    expect(page.locator("#lent li", has_text="Gil")).to_have_count(0)
    expect(page.get_by_text("Kitchen speaker is lent no more. The call was ended.")).to_be_visible()


def test_the_pages_of_a_guest_whose_loan_ended_in_a_call(
    stranger: Page, context: BrowserContext, live_server: LiveServer, cast: Cast, gil: Membership
) -> None:
    sign_in(context, live_server, gil)
    with scope(household=cast.anna.household):
        loan = loan_make(cast.kitchen, gil, can_talk=True)
        call = call_now(cast, gil)
        stranger.goto("/")
        expect(stranger.get_by_role("link", name="Kitchen speaker", exact=True)).to_be_visible()
        loan_end(loan=loan, by=cast.anna.user)
    stranger.goto("/")
    expect(stranger.get_by_text("Lake House ended it.")).to_be_visible()
    expect(stranger.get_by_text("Your call ended with it. Nothing is wrong with your phone.")).to_be_visible()
    assert look(stranger, "guest-loan-over") == []
    stranger.goto(reverse("calls:list"))
    expect(stranger.get_by_text("Why it ended: Kitchen speaker was no longer lent to you.")).to_be_visible()
    assert look(stranger, "guest-calls") == []
    stranger.goto(reverse("calls:detail", args=[call.public_id]))
    expect(stranger.get_by_text("You called,")).to_be_visible()
    assert look(stranger, "guest-call-over") == []


def test_the_page_of_an_adult_under_rules(
    stranger: Page, context: BrowserContext, live_server: LiveServer, cast: Cast
) -> None:
    Membership.objects.filter(pk=cast.ben.pk).update(role=Role.ADULT)
    sign_in(context, live_server, cast.ben)
    with scope(household=cast.anna.household):
        for right in (Permission.DROP_IN, Permission.RECORDINGS_HEAR):
            rule_make(right, cast.anna, room=cast.kitchen.room)
    stranger.goto(reverse("devices:detail", args=[cast.kitchen.public_id]))
    expect(stranger.get_by_text("Kitchen has rules of its own")).to_be_visible()
    assert look(stranger, "adult-under-rules") == []
    stranger.goto(reverse("devices:lend", args=[cast.kitchen.public_id]))
    expect(stranger.get_by_text("You may not listen into it yourself")).to_be_visible()
    assert look(stranger, "adult-lends") == []


def test_the_form_for_somebody_new_where_nobody_else_lives(page: Page, cast: Cast) -> None:
    with scope(household=cast.anna.household):
        cast.ben.delete()
    page.goto(reverse("devices:lend", args=[cast.kitchen.public_id]))
    expect(page.get_by_label("Their name")).to_be_visible()
    assert look(page, "lend-alone") == []
    page.get_by_label("Their name").fill("Olga")
    page.get_by_role("button", name="Lend it").click()
    expect(page.get_by_text("Give this link to Olga now")).to_be_visible()


def test_the_pages_of_a_guest(
    stranger: Page, context: BrowserContext, live_server: LiveServer, cast: Cast, gil: Membership
) -> None:
    sign_in(context, live_server, gil)
    stranger.goto("/")
    expect(stranger.get_by_text("Nothing is lent to you now")).to_be_visible()
    assert look(stranger, "guest-nothing") == []
    with scope(household=cast.anna.household):
        begin = now() + timedelta(hours=2)
        loan_make(cast.kitchen, gil, can_talk=True, starts_at=begin, ends_at=begin + timedelta(hours=2))
    stranger.goto("/")
    expect(stranger.get_by_text("Kitchen speaker is lent to you from")).to_be_visible()
    assert look(stranger, "guest-later") == []
    with scope(household=cast.anna.household):
        device_make(cast.anna, "Attic speaker", "Attic")
        DevicePresence.objects.filter(device=cast.kitchen).update(is_online=True)
        loan_make(cast.kitchen, gil, can_talk=True, ends_at=now() + timedelta(days=2))
    stranger.goto("/")
    expect(stranger.get_by_role("heading", name="Kitchen speaker")).to_be_visible()
    expect(stranger.get_by_text("Attic speaker")).to_have_count(0)
    assert look(stranger, "guest-home") == []
    stranger.get_by_role("link", name="Kitchen speaker", exact=True).click()
    expect(stranger.get_by_text("You may call it")).to_be_visible()
    assert look(stranger, "guest-device") == []
    stranger.goto(reverse("devices:call", args=[cast.kitchen.public_id]))
    expect(stranger.get_by_text("It rings until somebody answers at the device.")).to_be_visible()
    assert look(stranger, "guest-call") == []
    with scope(household=cast.anna.household):
        Loan.objects.update(ended_at=now())
    stranger.goto(reverse("devices:call", args=[cast.kitchen.public_id]))
    expect(stranger.get_by_text("Your loan of Kitchen speaker ended today at")).to_be_visible()
