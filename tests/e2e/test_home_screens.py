"""The home page while things happen to its devices."""

from uuid import uuid4

import pytest
from django.urls import reverse
from django_scopes import scope
from playwright.sync_api import Page, expect

from common.clock import now
from devices.models import DevicePresence
from tests.e2e.screens import look, picture
from tests.fakes.browser_hub import FakeHub
from tests.plugin_cast import Cast

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


def test_presence_changes_while_somebody_looks(page: Page, fake_hub: FakeHub, cast: Cast) -> None:
    page.goto("/")
    button = page.locator(".call-button")
    expect(button).to_have_attribute("aria-disabled", "true")
    expect(page.get_by_text("1 device, 0 online")).to_be_visible()
    fake_hub.wait_for("hello")
    fake_hub.say("presence", device_id=str(cast.kitchen.public_id), is_online=True)
    expect(page.get_by_text("1 device, all online")).to_be_visible()
    expect(button).to_have_attribute("aria-disabled", "false")


def test_who_is_in_a_call_changes_while_somebody_looks(page: Page, fake_hub: FakeHub, cast: Cast) -> None:
    with scope(household=cast.anna.household):
        DevicePresence.objects.filter(device=cast.kitchen).update(is_online=True, last_seen_at=now())
    page.goto("/")
    fake_hub.wait_for("hello")
    call_id, device_id = str(uuid4()), str(cast.kitchen.public_id)
    fake_hub.say("call_state", call_id=call_id, state="ringing", device_id=device_id)
    expect(page.get_by_text("In a call")).to_be_visible()
    button, usual = page.locator(".call-button"), reverse("devices:call", args=[device_id]) + "?start=1"
    expect(button).to_have_attribute("href", usual)  # another member's
    own = {"call_id": call_id, "device_id": device_id, "caller_id": str(cast.anna.user.public_id)}
    fake_hub.say("call_state", **own, state="connected")
    expect(button).to_have_text("Go to the call")
    expect(button).to_have_attribute("href", reverse("devices:call", args=[device_id]))
    fake_hub.say("presence", device_id=device_id, is_online=False)
    expect(button).to_have_attribute("aria-disabled", "false")
    fake_hub.say("presence", device_id=device_id, is_online=True)
    assert look(page, "home-in-call") == []
    fake_hub.say("call_end", call_id=call_id, outcome="answered", duration_s=3)
    expect(page.get_by_text("Online", exact=True)).to_be_visible()
    expect(button).to_have_text("Call")
    expect(button).to_have_attribute("href", usual)


def test_a_broken_connection_is_shown_and_mended(page: Page, fake_hub: FakeHub, cast: Cast) -> None:
    page.goto("/")
    fake_hub.wait_for("hello")
    fake_hub.leave()
    expect(page.get_by_text("Reconnecting…")).to_be_visible()
    picture(page, "reconnecting")
    fake_hub.come_back()
    expect(page.get_by_text("Reconnecting…")).to_be_hidden(timeout=15_000)
