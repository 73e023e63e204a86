"""A page follows what others change in the household, and says what happened when it may not stay."""

import re

import pytest
from django.contrib.sessions.models import Session
from django.urls import reverse
from django_scopes import scope
from playwright.sync_api import Page, Route, expect

from common.clock import now
from devices.models import Device
from households.models import Membership
from households.people.members import role_change
from households.roles import Role
from households.services import api_token_create
from tests.e2e.calling import CALL, call
from tests.e2e.screens import look
from tests.fakes.browser_hub import FakeHub
from tests.plugin_cast import Cast

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]

BAR = "Something changed."
NEWS = "Ben made you a child in Lake House. You call and announce."


def rename(cast: Cast, name: str) -> None:
    """By somebody else."""
    with scope(household=cast.anna.household):
        Device.objects.filter(pk=cast.kitchen.pk).update(name=name)


def demote(cast: Cast) -> None:
    """Anna becomes a child, by another owner."""
    Membership.objects.filter(pk=cast.ben.pk).update(role=Role.OWNER)
    role_change(member=cast.anna, role=Role.CHILD, by=cast.ben)


def stays(page: Page) -> None:
    """From now on a page that is loaded anew shows."""
    page.evaluate("() => (window.isSame = true)")


def is_same(page: Page) -> bool:
    return bool(page.evaluate("() => window.isSame === true"))


def test_another_name_shows_on_the_home_page_without_a_reload(
    page: Page, fake_hub: FakeHub, cast: Cast
) -> None:
    page.goto("/")
    fake_hub.wait_for("hello")
    stays(page)
    rename(cast, "Radio")
    fake_hub.say("household_changed")
    expect(page.locator(".device-card")).to_contain_text("Radio")
    assert is_same(page)
    expect(page.get_by_text(BAR)).to_be_hidden()


def test_who_is_promoted_finds_what_they_may_do_now_without_a_reload(
    page: Page, fake_hub: FakeHub, cast: Cast
) -> None:
    Membership.objects.filter(pk=cast.anna.pk).update(role=Role.GUEST)
    page.goto("/")
    fake_hub.wait_for("hello")
    people, add = (page.get_by_role("link", name=name, exact=True) for name in ("People", "Add device"))
    expect(page.get_by_role("heading", level=1)).to_contain_text("Good")
    expect(people).to_have_count(0)
    stays(page)
    for role, is_adult in ((Role.CHILD, False), (Role.ADULT, True)):
        Membership.objects.filter(pk=cast.anna.pk).update(role=role)
        fake_hub.say("household_changed")
        expect(people).to_be_visible()
        expect(add).to_have_count(int(is_adult))
    expect(page.get_by_role("heading", level=1)).to_contain_text("Good")
    expect(page.get_by_text("1 device, 0 online")).to_be_visible()
    expect(page.get_by_text(BAR)).to_be_hidden()
    assert is_same(page)


def test_whose_role_is_changed_reads_it_on_the_page_that_is_open(
    page: Page, fake_hub: FakeHub, cast: Cast
) -> None:
    page.goto("/")
    fake_hub.wait_for("hello")
    stays(page)
    demote(cast)
    fake_hub.say("household_changed")
    expect(page.get_by_text(NEWS)).to_be_visible()
    expect(page.get_by_role("link", name="Add device", exact=True)).to_have_count(0)
    expect(page.get_by_text(BAR)).to_be_hidden()
    assert is_same(page)
    assert look(page, "role-news") == []
    page.get_by_role("button", name="Close this message").click()
    expect(page.get_by_text(NEWS)).to_have_count(0)
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Good")
    expect(page.get_by_text(NEWS)).to_have_count(0)


@pytest.mark.parametrize(
    ("address", "field", "after"),
    [
        ("households:account", "Your name", "Your account"),
        ("people:invite", "Who is it for?", "An owner can allow it."),
    ],
)
def test_whose_role_is_changed_while_they_type_reads_it_in_the_bar_and_on_the_page_after(
    page: Page, fake_hub: FakeHub, cast: Cast, address: str, field: str, after: str
) -> None:
    page.goto(reverse(address))
    fake_hub.wait_for("hello")
    page.get_by_label(field).fill("Dora")
    demote(cast)
    fake_hub.say("household_changed")
    expect(page.locator(".change-bar")).to_contain_text(NEWS)
    assert look(page, f"role-news-bar-{field[:3]}") == []
    page.get_by_role("button", name="Show it").click()
    expect(page.locator("main").get_by_text(after)).to_be_visible()
    expect(page.locator("main").get_by_text(NEWS)).to_be_visible()
    assert look(page, f"role-news-after-{field[:3]}") == []


def test_of_what_does_not_follow_a_bar_tells(page: Page, fake_hub: FakeHub, cast: Cast) -> None:
    page.goto(reverse("devices:detail", args=[cast.kitchen.public_id]))
    fake_hub.wait_for("hello")
    rename(cast, "Radio")
    fake_hub.say("household_changed")
    expect(page.get_by_text(BAR)).to_be_visible()


def test_a_page_that_is_open_over_midnight_does_not_call_yesterday_today(
    page: Page, fake_hub: FakeHub, cast: Cast
) -> None:
    page.clock.install(time="2026-05-03T21:58:30Z")
    page.goto(f"{reverse('devices:detail', args=[cast.kitchen.public_id])}#lent")
    fake_hub.wait_for("hello")
    stays(page)
    page.clock.run_for(70_000)
    assert is_same(page), "in the zone of the home, UTC, the day goes on"
    field = page.get_by_label("Name", exact=True)
    field.fill("Radio")
    page.clock.run_for(3 * 3_600_000)
    assert is_same(page), "somebody types"
    field.fill(cast.kitchen.name)
    field.blur()
    page.clock.run_for(70_000)
    page.wait_for_function("() => window.isSame !== true")


def test_a_form_in_use_is_left_alone_and_a_bar_says_so(page: Page, fake_hub: FakeHub, cast: Cast) -> None:
    page.goto(reverse("devices:detail", args=[cast.kitchen.public_id]))
    fake_hub.wait_for("hello")
    name = page.get_by_label("Name", exact=True)
    name.fill("What I am typing")
    rename(cast, "Radio")
    fake_hub.say("household_changed")
    expect(page.get_by_text(BAR)).to_be_visible()
    expect(name).to_have_value("What I am typing")
    assert look(page, "something-changed") == []
    page.get_by_role("button", name="Show it").click()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Radio")
    expect(page.get_by_text(BAR)).to_be_hidden()


def test_what_changed_elsewhere_is_not_worth_a_word(page: Page, fake_hub: FakeHub, cast: Cast) -> None:
    page.goto(reverse("households:settings"))
    fake_hub.wait_for("hello")
    stays(page)
    rename(cast, "Radio")
    with page.expect_response("**/settings/"):
        fake_hub.say("household_changed")
    page.wait_for_timeout(300)
    expect(page.get_by_text(BAR)).to_be_hidden()
    assert is_same(page)


def test_that_a_minute_went_by_at_home_is_not_worth_a_word(page: Page, fake_hub: FakeHub, cast: Cast) -> None:
    address = reverse("households:settings")
    clock = re.compile(r"(where it is <span>)\d\d:\d\d")

    def serve_as_earlier(route: Route) -> None:
        earlier, count = clock.subn(r"\1--:--", route.fetch().text())
        assert count == 1
        route.fulfill(body=earlier, content_type="text/html; charset=utf-8")

    page.route(f"**{address}", serve_as_earlier, times=1)
    page.goto(address)
    fake_hub.wait_for("hello")
    stays(page)
    with page.expect_response(f"**{address}"):
        fake_hub.say("household_changed")
    page.wait_for_timeout(300)
    expect(page.get_by_text(BAR)).to_be_hidden()
    assert is_same(page)


def test_the_page_of_a_device_that_is_gone_says_so(page: Page, fake_hub: FakeHub, cast: Cast) -> None:
    page.goto(reverse("devices:detail", args=[cast.kitchen.public_id]))
    fake_hub.wait_for("hello")
    with scope(household=cast.anna.household):
        Device.objects.filter(pk=cast.kitchen.pk).update(revoked_at=now())
    fake_hub.say("household_changed")
    expect(page.get_by_role("heading", name="Not here any more")).to_be_visible()
    expect(page.get_by_text("Kitchen speaker was removed today.")).to_be_visible()
    assert look(page, "gone") == []


def test_a_call_whose_device_was_removed_says_so_and_offers_no_other(
    screen: Page, fake_hub: FakeHub, cast: Cast
) -> None:
    call(screen, fake_hub)
    screen.get_by_role("button", name="Hang up").click()
    expect(screen.get_by_role("button", name="Call again")).to_be_visible()
    with scope(household=cast.anna.household):
        Device.objects.filter(pk=cast.kitchen.pk).update(revoked_at=now())
    fake_hub.say("household_changed")
    expect(screen.get_by_text("Kitchen speaker was removed today.")).to_be_visible()
    expect(screen.get_by_role("button", name="Call again")).to_be_hidden()


def test_a_call_goes_on_under_another_name(screen: Page, fake_hub: FakeHub, cast: Cast) -> None:
    call(screen, fake_hub)
    stays(screen)
    rename(cast, "Radio")
    fake_hub.say("household_changed")
    expect(screen.get_by_role("heading", name="Radio")).to_be_visible()
    expect(screen.locator('[data-end="callee"] .end')).to_have_text("Radio")  # of its quality
    expect(screen.locator('[data-part="status"]')).to_have_text("Calling…")
    assert is_same(screen)


def test_who_is_made_a_child_in_a_call_is_not_offered_its_recording_after_it(
    screen: Page, fake_hub: FakeHub, cast: Cast
) -> None:
    call(screen, fake_hub)
    stays(screen)
    demote(cast)
    fake_hub.say("household_changed")
    expect(screen.locator('[data-part="history"]')).to_contain_text("See that call")
    fake_hub.say("call_end", call_id=CALL, outcome="answered", duration_s=92.0)
    expect(screen.get_by_role("link", name="See that call")).to_be_visible()
    expect(screen.get_by_text("The recording is kept for Lake House.")).to_be_visible()
    assert is_same(screen)


def test_a_removed_person_reads_who_removed_them(page: Page, fake_hub: FakeHub) -> None:
    page.goto("/")
    fake_hub.wait_for("hello")
    fake_hub.put_out("not_a_member", "Anna removed you from Lake House.")
    expect(page.get_by_role("heading", name="Anna removed you from Lake House.")).to_be_visible()
    expect(page.locator(".device-card")).to_have_count(0)
    assert look(page, "removed") == []
    page.get_by_role("link", name="Continue").click()
    page.wait_for_url("**/")


def test_somebody_who_is_put_out_in_a_call_reads_why_and_is_not_heard_any_more(
    screen: Page, fake_hub: FakeHub
) -> None:
    call(screen, fake_hub)
    fake_hub.say("call_state", call_id=CALL, state="connected", connected_at="2026-11-21T00:00:00Z")
    expect(screen.locator('[data-part="timer"]')).to_be_visible()
    fake_hub.put_out("not_signed_in", "You were signed out.")
    expect(screen.get_by_role("heading", name="You were signed out.")).to_be_visible()
    expect(screen.get_by_role("link", name="Sign in")).to_be_focused()
    expect(screen.locator("call-view")).to_have_count(0)
    assert look(screen, "put-out-in-a-call") == []


def test_who_is_made_a_guest_in_a_call_reads_that_also_soon_after_the_page_came(
    screen: Page, fake_hub: FakeHub
) -> None:
    call(screen, fake_hub)
    fake_hub.put_out(
        "not_allowed", "Ben made you a guest in Lake House.\nYour call ended. You see what is lent to you."
    )
    expect(screen.get_by_role("heading", name="Ben made you a guest in Lake House.")).to_be_visible()
    expect(screen.get_by_text("Your call ended. You see what is lent to you.")).to_be_visible()
    assert look(screen, "made-a-guest-in-a-call") == []


def test_who_is_put_out_soon_after_the_page_came_is_not_led_away_from_the_reason(
    screen: Page, fake_hub: FakeHub
) -> None:
    screen.clock.install()
    screen.reload()
    fake_hub.wait_for("hello", count=2)
    call(screen, fake_hub)
    stays(screen)
    fake_hub.put_out("not_signed_in", "You were signed out.")
    expect(screen.get_by_role("heading", name="You were signed out.")).to_be_visible()
    screen.clock.run_for(20_000)
    screen.wait_for_timeout(300)
    assert fake_hub.turned_away_count == 0
    assert is_same(screen)


def test_why_a_call_and_a_page_are_over_stays_there_to_be_read(
    screen: Page, fake_hub: FakeHub, cast: Cast
) -> None:
    call(screen, fake_hub)
    fake_hub.say("call_state", call_id=CALL, state="connected", connected_at="2026-11-21T00:00:00Z")
    expect(screen.locator('[data-part="timer"]')).to_be_visible()
    stays(screen)
    with scope(household=cast.anna.household):
        Device.objects.filter(pk=cast.kitchen.pk).update(revoked_at="2026-01-01T00:00:00Z")
    words = "Kitchen speaker is no longer lent to Anna."
    fake_hub.say("call_end", call_id=CALL, outcome="answered", duration_s=3, reason=words)
    fake_hub.say("household_changed")
    expect(screen.get_by_text("This page is not open to you any more.")).to_be_visible()
    expect(screen.get_by_text(words)).to_be_visible()
    with screen.expect_response(screen.url):
        fake_hub.say("household_changed")
        fake_hub.put_out("not_a_member", "Anna removed you from Lake House.")
    screen.wait_for_timeout(300)
    expect(screen.get_by_role("heading", name="Anna removed you from Lake House.")).to_be_visible()
    assert is_same(screen)


def test_a_tab_that_was_signed_out_leads_to_the_sign_in_page_with_a_sentence(
    page: Page, fake_hub: FakeHub
) -> None:
    page.goto(reverse("calls:list"))
    fake_hub.wait_for("hello")
    Session.objects.all().delete()
    fake_hub.put_out("not_signed_in", "You were signed out.")
    expect(page.get_by_text("You were signed out.")).to_be_visible()
    assert "/accounts/login/" in page.url
    assert "next=%2Fcalls%2F" in page.url
    assert look(page, "signed-out") == []
    page.reload()
    expect(page.get_by_text("You were signed out.")).to_have_count(0)


def test_a_tab_whose_browser_has_a_newer_session_comes_back_by_itself(page: Page, fake_hub: FakeHub) -> None:
    page.goto(reverse("calls:list"))
    fake_hub.wait_for("hello")
    stays(page)
    fake_hub.put_out("not_signed_in", "You were signed out.")
    page.wait_for_function("() => window.isSame === undefined")
    page.wait_for_url("**/calls/")
    expect(page.get_by_role("heading", name="Calls", exact=True)).to_be_visible()


def test_a_button_of_a_page_from_before_a_switch_says_why_nothing_happened(
    page: Page, fake_hub: FakeHub, cast: Cast
) -> None:
    api_token_create(membership=cast.anna, name="Wall tablet")
    page.goto(reverse("households:settings"))
    fake_hub.wait_for("hello")
    page.context.clear_cookies(name="csrftoken")  # as after a switch in another tab: another one is right now
    page.get_by_role("button", name="Revoke Wall tablet").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.locator(".toast")).to_contain_text("switched to another home")
    expect(page.get_by_text("Wall tablet", exact=True)).to_be_visible()
