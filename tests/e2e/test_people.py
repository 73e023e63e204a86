"""Somebody is invited, comes on a phone, gets another role, and is removed."""

import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from households.models import Membership
from tests.e2e.screens import look
from tests.fakes.browser_hub import FakeHub
from tests.plugin_cast import PASSWORD, Cast

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


def invite(page: Page, *, role: str, name: str) -> str:
    """The link that the page shows."""
    page.goto("/people/")
    page.get_by_role("link", name="Invite somebody").click()
    page.get_by_role("radio", name=role).check()
    page.get_by_label("Who is it for?").fill(name)
    assert look(page, "invite") == []
    page.get_by_role("button", name="Make the link").click()
    link = page.locator("#secret-link").inner_text()
    assert look(page, "invitation") == []
    return link[link.index("/join/") :]


@pytest.fixture
def phone(chromium: Browser, live_server: LiveServer) -> Page:
    """Somebody else's, who has not signed in."""
    context = chromium.new_context(base_url=live_server.url, viewport={"width": 390, "height": 844})
    context.set_default_timeout(10_000)
    return context.new_page()


def test_somebody_joins_by_a_link_becomes_a_child_and_is_removed(
    page: Page, fake_hub: FakeHub, cast: Cast, phone: Page
) -> None:
    link = invite(page, role="Adult", name="Dora")
    page.get_by_role("link", name="Done").click()
    expect(page.get_by_text("As an adult, until")).to_be_visible()
    assert look(page, "people") == []
    FakeHub(phone)
    phone.goto(link)
    expect(phone.get_by_role("heading", name="Join Lake House")).to_be_visible()
    assert phone.url.endswith("/join/")
    assert look(phone, "join") == []
    assert phone.get_by_label("Your name").input_value() == "Dora"
    phone.get_by_label("E-mail address").fill("dora@example.org")
    phone.get_by_label("Password").fill(PASSWORD)
    phone.get_by_label("I agree that calls").check()
    phone.get_by_role("button", name="Make an account and join").click()
    expect(phone.get_by_role("heading", name="Kitchen", exact=True)).to_be_visible()
    assert Membership.objects.get(user__email="dora@example.org").role == "adult"
    _give_role(page, "Dora", "Child")
    phone.goto("/people/")
    expect(phone.get_by_text("Child: calls and announces").nth(1)).to_be_visible()
    page.get_by_role("link", name="Dora").click()
    page.get_by_role("button", name="Remove Dora").click()
    expect(page.get_by_text("at once, also in a call")).to_be_visible()
    assert look(page, "member-remove", full_page=False) == []
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(page.get_by_text("Dora does not belong to Lake House any more.")).to_be_visible()
    phone.goto("/")
    expect(phone.get_by_role("heading", name="You were removed from Lake House")).to_be_visible()
    assert look(phone, "nowhere") == []


def _give_role(page: Page, name: str, role: str) -> None:
    page.goto("/people/")
    page.get_by_role("link", name=name).click()
    assert look(page, "member") == []
    page.get_by_role("radio", name=role).check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text(f"{name} is")).to_be_visible()


def test_an_only_owner_hands_over_and_leaves(page: Page, fake_hub: FakeHub, cast: Cast) -> None:
    Membership.objects.filter(pk=cast.ben.pk).update(role="adult")
    page.goto("/settings/")
    page.get_by_role("link", name="Leave Lake House").click()
    expect(page.get_by_role("heading", name="Hand it over first")).to_be_visible()
    assert look(page, "leave-owner") == []
    page.get_by_role("button", name="Ben").click()
    assert look(page, "hand-over", full_page=False) == []
    page.get_by_role("button", name="Hand over", exact=True).click()
    expect(page.get_by_text("Ben is the owner of Lake House now.")).to_be_visible()
    assert look(page, "leave") == []
    page.get_by_role("button", name="Leave", exact=True).click()
    expect(page.get_by_role("heading", name="You left Lake House")).to_be_visible()


def test_a_person_adds_a_home_switches_and_closes_it_again(page: Page, fake_hub: FakeHub, cast: Cast) -> None:
    page.goto("/settings/")
    assert page.locator(".add-home").evaluate("(one) => getComputedStyle(one).marginTop") != "0px"
    page.get_by_role("link", name="Add another home").click()
    assert look(page, "home-add") == []
    page.get_by_label("Name of your home").fill("Beach Hut")
    page.get_by_label("I agree that calls").check()
    page.get_by_role("button", name="Add the home").click()
    expect(page.get_by_text("This is Beach Hut, your new home.")).to_be_visible()
    assert look(page, "two-homes") == []
    page.goto(f"/devices/{cast.kitchen.public_id}/")
    expect(page.get_by_role("heading", name="This belongs to Lake House")).to_be_visible()
    assert look(page, "elsewhere") == []
    page.get_by_role("button", name="Switch to Lake House").last.click()
    expect(page.get_by_role("heading", name="Kitchen speaker")).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 844})
    page.get_by_role("button", name="choose another home").click()
    assert look(page, "homes-dialog", full_page=False) == []
    page.get_by_role("button", name="Switch to Beach Hut").click()
    expect(page.get_by_role("heading", name="No device lives here yet")).to_be_visible()
    assert page.evaluate("document.body.dataset.household") != str(cast.anna.household.public_id)
    page.goto("/settings/")
    page.get_by_role("link", name="Leave Beach Hut").click()
    assert look(page, "leave-closing") == []
    page.get_by_role("button", name="Leave and close it").click()
    expect(page.get_by_text("You left Beach Hut, and it is closed.")).to_be_visible()
    expect(page.get_by_role("link", name="Kitchen speaker", exact=True)).to_be_visible()


def test_a_link_survives_signing_in_and_signing_in_as_another(
    page: Page, fake_hub: FakeHub, cast: Cast, phone: Page
) -> None:
    link = invite(page, role="Child", name="")
    FakeHub(phone)
    phone.goto(link)
    phone.get_by_role("link", name="Sign in").click()
    _sign_in(phone, "ben@example.org")
    expect(phone.get_by_text("You belong to Lake House already, as Ben.")).to_be_visible()
    assert look(phone, "join-member") == []
    phone.get_by_role("button", name="I am somebody else").click()
    expect(phone.get_by_role("heading", name="Join Lake House")).to_be_visible()
    phone.get_by_role("link", name="Sign in").click()
    _sign_in(phone, "carla@example.org")
    expect(phone.get_by_text("You are signed in as Carla")).to_be_visible()
    assert look(phone, "join-signed-in") == []
    phone.get_by_label("I agree that calls").check()
    phone.get_by_role("button", name="Join as Carla").click()
    expect(phone.get_by_role("heading", name="Kitchen", exact=True)).to_be_visible()
    phone.goto(link)
    expect(phone.get_by_text("was used already")).to_be_visible()
    assert look(phone, "join-used") == []
    phone.goto("/join/")
    expect(phone.get_by_text("The link is not whole.")).to_be_visible()


def _sign_in(page: Page, email: str) -> None:
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def test_consent_is_asked_for_before_the_first_call(page: Page, fake_hub: FakeHub, cast: Cast) -> None:
    Membership.objects.update(consented_at=None)
    page.goto(f"/devices/{cast.kitchen.public_id}/call/")
    expect(page.get_by_role("heading", name="Before your first call")).to_be_visible()
    assert look(page, "consent") == []
    page.get_by_label("I agree that calls").check()
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_text("Ready to call")).to_be_visible()
