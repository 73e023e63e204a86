"""The page decides like the device: renewal.js and agent/renewal.py on stories that hypothesis makes."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page

from agent.renewal import Attempt, Look, Renewal, RenewalLimits
from protocol.messages.calls import LOST_FOR_GOOD

pytestmark = pytest.mark.e2e

SOURCE = Path(__file__).resolve().parents[2] / "static/js/lib/renewal.js"
CHANCE = 0.5
PLAY = """([events, chance]) => {
  const renewal = new Renewal(0, { chance: () => chance });
  return events.map(([name, value]) => {
    if (name === "look") return [renewal.step(value), renewal.isLost];
    renewal[name](value);
    return null;
  });
}"""


@pytest.fixture(scope="module")
def empty_page(chromium: Browser) -> Page:
    page = chromium.new_page()
    page.add_script_tag(
        type="module",
        content=SOURCE.read_text() + "\nObject.assign(window, { Renewal, LIMITS, LOST_FOR_GOOD });",
    )
    page.wait_for_function("() => window.Renewal")
    return page


looks = st.builds(
    lambda step, silent, speaks, attempt, hears: (step, silent, speaks, attempt, hears),
    st.sampled_from([0.25, 0.25, 1.0, 3.0, 9.0, 20.0]),
    st.one_of(st.none(), st.sampled_from([0.0, 0.1, 1.9, 2.0, 3.9, 4.0, 30.0])),
    st.booleans(),
    st.sampled_from(list(Attempt)),
    st.booleans(),
)
events = st.lists(st.one_of(looks, st.sampled_from(["ask", "unheard", "failed"])), max_size=40)


def story_of(drawn: list[Any]) -> list[tuple[str, Any]]:
    now_s = 0.0
    story: list[tuple[str, Any]] = []
    for event in drawn:
        if isinstance(event, str):
            story.append((event, now_s))
            continue
        step_s, silent_s, speaks, attempt, hears = event
        now_s += step_s
        look = Look(now_s=now_s, silent_s=silent_s, speaks=speaks, attempt=attempt, attempt_hears=hears)
        story.append(("look", asdict(look)))
    return story


def play(story: list[tuple[str, Any]]) -> list[Any]:
    renewal = Renewal(RenewalLimits(), now_s=0.0, chance=lambda: CHANCE)
    said: list[Any] = []
    for name, value in story:
        if name == "look":
            said.append([renewal.step(Look(**value)), renewal.is_lost])
            continue
        renewal.ask() if name == "ask" else getattr(renewal, name)(value)
        said.append(None)
    return said


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=events)
def test_page_and_device_take_the_same_steps(empty_page: Page, drawn: list[Any]) -> None:
    story = story_of(drawn)
    assert empty_page.evaluate(PLAY, [story, CHANCE]) == play(story)


def test_page_and_device_have_the_same_limits_and_words(empty_page: Page) -> None:
    assert empty_page.evaluate("() => LIMITS") == asdict(RenewalLimits())
    assert empty_page.evaluate("() => LOST_FOR_GOOD") == LOST_FOR_GOOD
