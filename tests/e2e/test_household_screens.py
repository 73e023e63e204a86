"""The household in a real browser: its first visit, its record, and what is chosen and made in its settings."""

from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.urls import reverse
from playwright.sync_api import Page, expect

from common.clock import now
from households.record.audit import AuditKind, audit_note
from households.record.paper import paper_parts
from tests.e2e.screens import PICTURES, look
from tests.fakes.browser_hub import FakeHub
from tests.plugin_cast import PASSWORD, Cast

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


_COLOUR = "() => getComputedStyle(document.body).color"
_LINES = """heads => heads.map((head) => {
  const words = document.createRange();
  words.selectNodeContents(head);
  return words.getClientRects().length;
})"""


async def _joined(*args: Any) -> str:
    return "".join([part async for part in paper_parts(*args)])


def test_the_first_visit_looks_right_and_makes_the_home(stranger: Page, no_owner_yet: None) -> None:
    from households.services import setup_token_make

    stranger.goto("/calls/")
    assert stranger.url.endswith("/setup/")
    stranger.goto(f"/setup/?token={setup_token_make()}")
    assert look(stranger, "setup") == []
    assert stranger.get_by_label("Time zone").input_value() == "Europe/Berlin"
    stranger.get_by_label("Your name").fill("Anna")
    stranger.get_by_label("E-mail address").fill("anna@example.org")
    stranger.get_by_label("Password").fill(PASSWORD)
    stranger.get_by_label("Name of your home").fill("Lake House")
    stranger.get_by_label("I agree that calls").check()
    FakeHub(stranger)
    stranger.get_by_role("button", name="Create the home").click()
    expect(stranger.get_by_role("heading", name="No device lives here yet")).to_be_visible()
    assert look(stranger, "home-empty") == []


def test_owners_read_what_was_done_and_narrow_it_down(
    page: Page, fake_hub: FakeHub, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = now() - timedelta(days=5)
    for number in range(60):
        monkeypatch.setattr("households.record.audit.now", lambda at=begun + timedelta(hours=number): at)
        audit_note(
            cast.anna.household, AuditKind.RECORDING_PLAYED, actor=cast.ben.user, device="Kitchen speaker"
        )
    audit_note(cast.anna.household, AuditKind.SIGN_IN_REFUSED, person="Ben")
    page.goto(reverse("households:activity"))
    expect(page.get_by_text("The record is whole: 62 entries")).to_be_visible()
    expect(page.locator(".entries li")).to_have_count(50)
    assert look(page, "activity") == []
    page.set_viewport_size({"width": 390, "height": 844})
    page.get_by_role("button", name="Load more").click()
    expect(page.locator(".entries li")).to_have_count(62)
    expect(page.get_by_role("button", name="Load more")).to_have_count(0)
    days = [day.inner_text() for day in page.locator("h2.day").all()]
    assert len(days) == len(set(days))
    page.locator("label.chip", has_text="Sign-ins").click()
    expect(page.locator(".entries .sentence-of")).to_have_text(["Somebody failed to sign in as Ben."])
    page.reload()
    expect(page.locator(".entries li")).to_have_count(1)


def test_an_owner_prints_what_was_done(
    page: Page, fake_hub: FakeHub, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The server of these pages speaks WSGI, that of a hub ASGI.
    monkeypatch.setattr("households.record.views.paper_parts", lambda *args: [async_to_sync(_joined)(*args)])
    for number in range(80):
        audit_note(
            cast.anna.household, AuditKind.RECORDING_PLAYED, actor=cast.ben.user, device=f"Speaker {number}"
        )
    details = {
        "actor": "Anna",
        "device": "Kitchen speaker",
        "person": "Gran",
        "scope": "call and announce on",
    }
    period = "until 30 November 2026, 18:00"
    audit_note(cast.anna.household, AuditKind.LENT, **details, period=period)
    audit_note(cast.anna.household, AuditKind.SIGN_IN_REFUSED, person="Ben")
    page.goto(reverse("households:activity"))
    page.get_by_role("link", name="Print or save").click()
    expect(page.get_by_label("First day")).to_be_hidden()
    assert look(page, "print-record") == []
    page.get_by_label("When").select_option("Other days")
    expect(page.get_by_label("First day")).to_be_visible()
    page.get_by_label("When").select_option("All of it")
    page.get_by_role("button", name="Make the page").click()
    expect(page.get_by_role("heading", name="Is the record whole?")).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(84)
    assert look(page, "paper") == []
    page.set_viewport_size({"width": 1280, "height": 800})
    heads = page.locator("thead th")
    assert heads.evaluate_all(_LINES) == [1, 1, 1]
    page.evaluate("() => { window.print = () => { document.title = 'printed' } }")
    page.get_by_role("button", name="Print").click()
    expect(page).to_have_title("printed")
    page.emulate_media(media="print", color_scheme="dark")
    expect(page.get_by_role("button", name="Print")).to_be_hidden()
    assert page.evaluate(_COLOUR) == "rgb(0, 0, 0)"
    assert heads.evaluate_all(_LINES) == [1, 1, 1]
    page.pdf(path=PICTURES / "paper.pdf", format="A4")


def test_the_chosen_colours_stay(page: Page, fake_hub: FakeHub, cast: Cast) -> None:
    page.emulate_media(color_scheme="light")
    page.goto(reverse("households:settings"))
    light = page.evaluate(_COLOUR)
    page.get_by_label("Dark").check()
    assert page.evaluate(_COLOUR) != light
    page.goto("/")
    assert page.evaluate(_COLOUR) != light
    assert page.locator("html").get_attribute("data-theme") == "dark"


def test_a_token_is_shown_once(page: Page, fake_hub: FakeHub, cast: Cast) -> None:
    page.goto(reverse("households:settings"))
    page.get_by_role("link", name="Make a token").click()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_label("What is it for?")).to_be_visible()
    assert look(page, "token-make") == []
    page.get_by_label("What is it for?").fill("Wall tablet")
    page.get_by_role("button", name="Make the token").click()
    expect(page.locator("#new-token")).to_contain_text("hl_")
    assert look(page, "token-made") == []
    page.get_by_role("link", name="Done").click()
    expect(page.get_by_text("Wall tablet", exact=True)).to_be_visible()
    expect(page.locator("#new-token")).to_have_count(0)
    page.get_by_role("button", name="Revoke Wall tablet").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("Wall tablet", exact=True)).to_be_hidden()
