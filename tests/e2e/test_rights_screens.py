"""Who may do what, lending, and what a guest sees: pictures, WCAG 2.2 AA, nothing that sticks out."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django_scopes import scope
from playwright.sync_api import BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from common.clock import now
from devices.models import DevicePresence, Loan
from households.models import Membership
from households.roles import Permission
from tests.e2e.screens import look
from tests.plugin_cast import Cast, device_make, guest_make, loan_make, rule_make

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def gil(cast: Cast) -> Membership:
    return guest_make(cast)


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
    assert look(page, "device-rights") == []
    page.goto(reverse("devices:room", args=[room.public_id]))
    assert look(page, "room") == []
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


def test_the_pages_of_a_guest(
    stranger: Page, context: BrowserContext, live_server: LiveServer, cast: Cast, gil: Membership
) -> None:
    sign_in(context, live_server, gil)
    stranger.goto("/")
    expect(stranger.get_by_text("Nothing is lent to you now")).to_be_visible()
    assert look(stranger, "guest-nothing") == []
    with scope(household=cast.anna.household):
        device_make(cast.anna, "Attic speaker", "Attic")
        DevicePresence.objects.filter(device=cast.kitchen).update(is_online=True)
        loan_make(cast.kitchen, gil, can_talk=True, ends_at=now() + timedelta(days=2))
    stranger.goto("/")
    expect(stranger.get_by_text("Kitchen speaker")).to_be_visible()
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
