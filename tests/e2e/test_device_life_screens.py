"""The pages about what becomes of a device, in a real browser."""

import pytest
from django.urls import reverse
from django_scopes import scope, scopes_disabled
from playwright.sync_api import Page, expect

from devices.life.transfers import transfer_create
from devices.models import DevicePresence, Transfer
from devices.services import device_unclaim
from households.roles import Permission
from tests.e2e.filled import call_fill
from tests.e2e.screens import look
from tests.fakes.browser_hub import FakeHub
from tests.plugin_cast import Cast, rule_make

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


def test_the_page_of_a_device_and_its_questions(page: Page, fake_hub: FakeHub, cast: Cast) -> None:
    page.goto(reverse("devices:detail", args=[cast.kitchen.public_id]))
    problems = look(page, "life-device")
    for dialog, words in (
        ("key", "A new key for Kitchen speaker?"),
        ("give", "Give Kitchen speaker away?"),
        ("remove", "Remove Kitchen speaker?"),
    ):
        page.locator(f'[data-opens="{dialog}-dialog"]').click()
        expect(page.get_by_role("heading", name=words)).to_be_visible()
        problems += look(page, f"life-{dialog}-dialog", full_page=False)
        page.locator(f"#{dialog}-dialog [data-closes]").click()
    assert problems == []


def test_a_key_that_was_asked_for_and_a_link_that_is_out(page: Page, fake_hub: FakeHub, cast: Cast) -> None:
    page.goto(reverse("devices:detail", args=[cast.kitchen.public_id]))
    page.locator('[data-opens="key-dialog"]').click()
    page.locator("#key-dialog").get_by_role("button", name="New key").click()
    expect(page.get_by_text("The device is offline and makes it when it is back.")).to_be_visible()
    page.locator('[data-opens="give-dialog"]').click()
    page.get_by_role("button", name="Make the link").click()
    expect(page.get_by_role("heading", name="Pass this link on now")).to_be_visible()
    problems = look(page, "life-link")
    page.get_by_role("link", name="Done").click()
    expect(page.get_by_role("button", name="Take the link back")).to_be_visible()
    assert problems + look(page, "life-waits") == []


def test_whoever_opens_the_link_takes_the_device_over(page: Page, fake_hub: FakeHub, cast: Cast) -> None:
    with scopes_disabled():
        DevicePresence.objects.filter(device=cast.cellar).update(is_online=False)
        _, token = transfer_create(membership=cast.carla, device=cast.cellar)
    page.goto(reverse("devices:take"))
    expect(page.get_by_text("The link is not whole.")).to_be_visible()
    page.goto(f"{reverse('devices:take')}#t={token}")
    expect(page.get_by_role("heading", name="Take over Cellar speaker")).to_be_visible()
    assert token not in page.url
    problems = look(page, "life-take")
    page.locator("label.chip", has_text="Kitchen").click()
    page.get_by_role("button", name="Take it over to Lake House").click()
    expect(page.get_by_text("Waits for the device")).to_be_visible()
    problems += look(page, "life-coming")
    page.goto(reverse("devices:home"))
    expect(page.get_by_text("Waiting for Cellar speaker")).to_be_visible()
    problems += look(page, "life-home")
    page.get_by_role("link", name="Waiting for Cellar speaker").click()
    page.get_by_role("button", name="Do not wait for it").click()
    expect(page.get_by_text("will not come")).to_be_visible()
    assert problems == []
    assert Transfer.objects.get().cancelled_at is not None


def test_a_call_with_a_device_that_left_leads_an_owner_to_who_may_hear_it(page: Page, cast: Cast) -> None:
    call = call_fill(cast)
    with scope(household=cast.anna.household):
        rule_make(Permission.RECORDINGS_HEAR, cast.ben, device=cast.kitchen)
        device_unclaim(device=cast.kitchen, by=cast.anna.user)
    page.goto(reverse("calls:detail", args=[call.public_id]))
    problems = look(page, "life-past-call")
    page.get_by_role("link", name="Who may hear what was said with it").click()
    expect(page.get_by_text("Kitchen speaker was removed today.")).to_be_visible()
    expect(page.get_by_text("You are not in this list.")).to_be_visible()
    problems += look(page, "life-past")
    page.get_by_role("checkbox", name="Anna").check()
    page.get_by_role("button", name="Save who may do what").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    expect(page.get_by_text("You are not in this list.")).to_have_count(0)
    assert problems == []
