"""The call screen in every window: nothing moves, nothing lies under anything, nothing is pushed off."""

import re

import pytest
from django_scopes import scope
from playwright.sync_api import Page, expect

from devices.models import Device, Room
from households.models import Household
from tests.e2e.calling import CALL, OTHER_CALL, call, misplaced, talk
from tests.e2e.screens import look, picture
from tests.fakes.browser_hub import FakeHub
from tests.plugin_cast import Cast

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


def test_it_shows_how_good_both_connections_are(screen: Page, fake_hub: FakeHub) -> None:
    call(screen, fake_hub)
    fake_hub.connect()
    fake_hub.say("call_state", call_id=CALL, state="connected", connected_at="2026-11-21T00:00:00Z")
    quality = screen.get_by_role("group", name="Connection")
    expect(quality).to_be_hidden()
    ends = [
        {"role": "caller", "bars": 4, "quality": "very_good"},
        {"role": "callee", "bars": 2, "quality": "weak"},
    ]
    fake_hub.say("call_quality", call_id=CALL, ends=ends)
    fake_hub.say("call_quality", call_id=OTHER_CALL, ends=[{"role": "caller", "bars": 0, "quality": "lost"}])
    expect(quality.locator('[data-end="caller"]')).to_have_text(re.compile(r"You\s+Very good"))
    expect(quality.locator('[data-end="callee"]')).to_have_text(re.compile(r"Kitchen speaker\s+Weak"))
    assert look(screen, "call-quality", full_page=False) == []
    fake_hub.hang_far_end()
    expect(quality.locator("p:visible")).to_have_text([re.compile(r"Sound through the hub\s+Lost")])
    assert look(screen, "call-quality-lost", full_page=False) == []


def test_the_lines_of_quality_stay_where_they_are_when_a_word_changes(
    screen: Page, fake_hub: FakeHub
) -> None:
    screen.set_viewport_size({"width": 390, "height": 844})
    call(screen, fake_hub)
    fake_hub.say("call_state", call_id=CALL, state="connected", connected_at="2026-11-21T00:00:00Z")
    places = []
    for bars, quality, words in ((2, "weak", "Weak"), (4, "very_good", "Very good"), (0, "lost", "Lost")):
        ends = [{"role": "caller", "bars": bars, "quality": quality}]
        ends.append({"role": "callee", "bars": 3, "quality": "good"})
        fake_hub.say("call_quality", call_id=CALL, ends=ends)
        expect(screen.locator('[data-end="caller"]')).to_have_text(re.compile(words))
        places.append(screen.evaluate(PLACES, "[data-end]:not([hidden]) > *"))
    assert places[0] == places[1] == places[2]
    assert len({x for x, _ in places[0]}) == 3  # name, bars and word stand below each other


# Left and top of everything that fits the selector.
PLACES = """(selector) => [...document.querySelectorAll(selector)]
  .map((one) => one.getBoundingClientRect()).map(({ left, top }) => [Math.round(left), Math.round(top)])"""


# Whether all of it is on the screen, without scrolling.
ON_SCREEN = """(selector) => document.documentElement.scrollHeight <= innerHeight &&
  [...document.querySelectorAll(selector)].map((one) => one.getBoundingClientRect())
    .every(({ top, bottom, left, right }) => top >= 0 && bottom <= innerHeight && left >= 0 && right <= innerWidth)"""


@pytest.mark.parametrize("height", [844, 640])
def test_a_hub_that_is_away_pushes_nothing_off_a_phone(screen: Page, fake_hub: FakeHub, height: int) -> None:
    screen.set_viewport_size({"width": 390, "height": height})
    fake_hub.wait_for("hello")
    fake_hub.leave()
    expect(screen.locator(".stale-bar")).to_be_visible()
    picture(screen, f"call-hub-away-before-{height}")
    assert screen.evaluate(ON_SCREEN, "call-view button:not([hidden] *, [hidden]), .call-before p")
    fake_hub.come_back()
    expect(screen.locator(".stale-bar")).to_be_hidden(timeout=15_000)
    talk(screen, fake_hub)
    ends = [{"role": role, "bars": 4, "quality": "very_good"} for role in ("caller", "callee")]
    fake_hub.say("call_quality", call_id=CALL, ends=ends)
    fake_hub.leave()
    fake_hub.hang_far_end()
    expect(screen.locator('[data-part="left"]')).to_be_visible(timeout=10_000)
    screen.wait_for_timeout(2_000)  # the bar of the other pages comes after 1.5 s
    picture(screen, f"call-hub-away-{height}")
    assert screen.evaluate(ON_SCREEN, "call-view button:not([hidden]), call-view p, level-meter")
    expect(screen.locator(".stale-bar")).to_be_hidden()
    assert look(screen, "call-hub-away", full_page=False) == []


@pytest.fixture
def long_names(cast: Cast) -> None:
    """As long as the fields take, with a word that nothing breaks."""
    with scope(household=cast.anna.household):
        name = "The loudspeaker of the playroom under the roof, behind the Dampfschifffahrtsmodell"[:80]
        Device.objects.filter(pk=cast.kitchen.pk).update(name=name)
        Room.objects.filter(household=cast.anna.household).update(
            name="Donaudampfschifffahrtsgesellschaft" * 2
        )
        Household.objects.filter(pk=cast.anna.household.pk).update(name="Llanfairpwllgwyngyll" * 4)


@pytest.mark.usefixtures("long_names")
def test_nothing_lies_under_anything_in_any_window(screen: Page, fake_hub: FakeHub) -> None:
    assert misplaced(screen, "call-ready") == []
    talk(screen, fake_hub)
    ends = [{"role": role, "bars": 4, "quality": "very_good"} for role in ("caller", "callee")]
    fake_hub.say("call_quality", call_id=CALL, ends=ends)
    expect(screen.locator('[data-end="callee"]')).to_be_visible()
    screen.locator('[data-act="hear"]').evaluate("(one) => { one.hidden = false; }")
    assert misplaced(screen, "call-talking") == []
    screen.locator('[data-act="hear"]').evaluate("(one) => { one.hidden = true; }")
    fake_hub.leave()
    fake_hub.hang_far_end()
    expect(screen.locator('[data-part="left"]')).to_be_visible(timeout=10_000)
    assert misplaced(screen, "call-again") == []
    screen.set_viewport_size({"width": 320, "height": 300})
    for name in ("Mute", "Hang up"):
        expect(screen.get_by_role("button", name=name)).to_be_in_viewport(ratio=1)
    screen.get_by_role("button", name="Hang up").click()
    expect(screen.get_by_role("button", name="Call again")).to_be_visible()
    assert misplaced(screen, "call-over") == []
