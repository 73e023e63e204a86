"""What is shown once, and then Back and reload: a page, and never a form that is sent again."""

import pytest
from django.urls import reverse
from django_scopes import scope
from playwright.sync_api import Page, expect

from devices.foreign import foreign_device_create
from devices.models import Loan, Transfer
from households.models import Invitation, Membership
from tests.e2e.screens import look
from tests.fakes.browser_hub import FakeHub
from tests.plugin_cast import PASSWORD, Cast

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]

SECRET = "#secret-link"


def is_shown_no_more(page: Page, name: str) -> None:
    """The browser is on the page of a secret, for the second time."""
    expect(page.get_by_role("heading", name="is not shown again")).to_be_visible()
    expect(page.locator("code.secret")).to_have_count(0)
    assert look(page, name) == []


def test_back_and_reload_lead_to_the_page_of_an_invitation(page: Page, fake_hub: FakeHub) -> None:
    page.goto("/people/invite/")
    page.get_by_role("radio", name="Child").check()
    page.get_by_label("Who is it for?").fill("Dora")
    page.get_by_role("button", name="Make the link").click()
    expect(page.locator(SECRET)).to_contain_text("/join/#t=")
    there = page.url
    assert there.endswith(f"/people/invitations/{Invitation.objects.get().public_id}/")
    page.get_by_role("link", name="Done").click()
    expect(page.get_by_text("Open invitations")).to_be_visible()
    page.go_back()
    assert page.url == there
    is_shown_no_more(page, "invitation-again")
    page.reload()
    expect(page.get_by_text("This one still works, until")).to_be_visible()
    page.go_back()
    assert page.get_by_label("Who is it for?").input_value() in ("", "Dora")  # as the browser likes
    page.go_forward()
    expect(page.get_by_text("This one still works, until")).to_be_visible()
    assert Invitation.objects.count() == 1
    page.get_by_role("button", name="Take it back").click()
    expect(page.get_by_text("The invitation was taken back.")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="Its link opens nothing any more")).to_be_visible()
    assert look(page, "invitation-closed") == []


def test_a_reload_right_after_the_link_was_made_makes_no_other_one(page: Page, fake_hub: FakeHub) -> None:
    page.goto("/people/invite/")
    page.get_by_role("radio", name="Guest").check()
    page.get_by_role("button", name="Make the link").click()
    expect(page.locator(SECRET)).to_be_visible()
    page.reload()
    expect(page.get_by_text("whoever opens it first joins Lake House as a guest")).to_be_visible()
    assert Invitation.objects.count() == 1


def test_back_and_reload_lead_to_the_page_of_a_loan(page: Page, fake_hub: FakeHub, cast: Cast) -> None:
    page.goto(reverse("devices:lend", args=[cast.kitchen.public_id]))
    page.get_by_label("Somebody new").check()
    page.get_by_label("Their name").fill("Olga")
    page.get_by_role("button", name="Lend it").click()
    expect(page.locator(SECRET)).to_contain_text("/join/#t=")
    there = page.url
    page.get_by_role("link", name="Done").click()
    expect(page.get_by_text("Has not come yet")).to_be_visible()
    page.go_back()
    assert page.url == there
    is_shown_no_more(page, "loan-again")
    page.reload()
    expect(page.get_by_text("This one still works, until")).to_be_visible()
    with scope(household=cast.anna.household):
        assert Loan.objects.count() == 1
    page.get_by_role("link", name="Make another").click()
    expect(page.get_by_label("Their name")).to_be_visible()
    page.go_back()
    page.get_by_role("button", name="Take it back").click()
    expect(page.get_by_text("Kitchen speaker is lent no more.")).to_be_visible()
    page.goto(there)
    expect(page.get_by_role("heading", name="This is not lent any more")).to_be_visible()
    assert look(page, "loan-over") == []


def test_back_and_reload_lead_to_the_page_of_a_gift(page: Page, fake_hub: FakeHub, cast: Cast) -> None:
    page.goto(reverse("devices:detail", args=[cast.kitchen.public_id]))
    page.get_by_role("button", name="Give it away").click()
    page.get_by_role("button", name="Make the link").click()
    expect(page.locator(SECRET)).to_contain_text("/take/#t=")
    there = page.url
    page.get_by_role("link", name="Done").click()
    expect(page.get_by_text("A link is out")).to_be_visible()
    page.go_back()
    assert page.url == there
    is_shown_no_more(page, "give-again")
    page.reload()
    page.get_by_role("button", name="Make another").click()
    expect(page.locator(SECRET)).to_be_visible()
    assert page.url != there
    assert Transfer.objects.count() == 2
    page.go_back()
    expect(page.get_by_role("heading", name="This link opens nothing any more")).to_be_visible()
    assert look(page, "give-closed") == []


def test_back_and_reload_lead_to_the_page_of_a_token(page: Page, fake_hub: FakeHub) -> None:
    page.goto("/settings/tokens/")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()
    page.get_by_label("What is it for?").fill("Door script")
    page.get_by_role("button", name="Make the token").click()
    expect(page.locator("#new-token")).to_contain_text("hl_")
    page.get_by_role("link", name="Done").click()
    expect(page.get_by_role("heading", name="Settings")).to_be_visible()
    page.go_back()
    is_shown_no_more(page, "token-again")
    page.reload()
    is_shown_no_more(page, "token-again")


def test_a_device_shows_its_token_until_the_page_is_left(page: Page, fake_hub: FakeHub, cast: Cast) -> None:
    with scope(household=cast.anna.household):
        device = foreign_device_create(membership=cast.anna, name="Front door", room=None)
    page.goto(reverse("devices:joining", args=[device.public_id]))
    page.get_by_role("button", name="Show its token").click()
    expect(page.locator("#device-token")).to_contain_text("hld_")
    page.reload()
    expect(page.get_by_text("A token is shown once, right after it is made.")).to_be_visible()
    expect(page.locator("#device-token")).to_have_count(0)
    assert look(page, "foreign-joining-again") == []


def test_what_is_shown_once_stays_while_others_change_things(
    page: Page, fake_hub: FakeHub, cast: Cast
) -> None:
    page.goto("/people/invite/")
    page.get_by_role("radio", name="Child").check()
    page.get_by_role("button", name="Make the link").click()
    expect(page.locator(SECRET)).to_be_visible()
    fake_hub.wait_for("hello")
    asked = []
    page.on("response", lambda answer: asked.append(answer.url))
    fake_hub.say("household_changed")
    page.wait_for_timeout(1500)
    assert page.url in asked  # it looked
    expect(page.get_by_text("Something changed.")).to_be_hidden()
    expect(page.locator(SECRET)).to_be_visible()
    Membership.objects.filter(pk=cast.anna.pk).delete()
    fake_hub.say("household_changed")
    expect(page.locator(SECRET)).to_have_count(0)


_MAKE = """() => fetch("/people/invite/", {
  method: "POST", redirect: "manual", body: new FormData(document.querySelector("form.card")),
}).then(() => null)"""
_AHEAD = """(href) => {
  const ahead = Object.assign(document.createElement("link"), { rel: "prefetch", href });
  document.head.append(ahead);
}"""


def test_a_browser_that_looks_ahead_does_not_use_it_up(page: Page, fake_hub: FakeHub) -> None:
    page.goto("/people/invite/")
    page.get_by_role("radio", name="Child").check()
    page.evaluate(_MAKE)  # and does not go where it leads
    path = f"/people/invitations/{Invitation.objects.get().public_id}/"
    with page.expect_response(f"**{path}") as ahead:
        page.evaluate(_AHEAD, path)
    assert ahead.value.status == 425
    page.goto(path)
    expect(page.locator(SECRET)).to_contain_text("/join/#t=")
