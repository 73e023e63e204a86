"""The call screen while the hub, the device or the connection is away."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.calling import CALL, HEARD, SECONDS, call, talk
from tests.e2e.screens import look
from tests.fakes.browser_hub import FakeHub
from tests.plugin_cast import Cast

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]

VERY_GOOD = [{"role": role, "bars": 4, "quality": "very_good"} for role in ("caller", "callee")]
LOST = re.compile(r"Sound through the hub\s+Lost")
# What stands of the quality each time that the explanation has changed.
NOTE_WORDS = """() => {
  window.notes = [];
  new MutationObserver(() => window.notes.push(document.querySelector("call-quality").innerText))
    .observe(document.querySelector('[data-part="explanation"]'), { childList: true });
}"""


def test_a_call_to_a_hub_that_is_away_waits_for_it_and_can_be_cancelled(
    screen: Page, fake_hub: FakeHub
) -> None:
    fake_hub.wait_for("hello")
    fake_hub.leave()
    expect(screen.locator(".stale-bar")).to_be_visible()
    status, explanation = screen.locator('[data-part="status"]'), screen.locator('[data-part="explanation"]')
    screen.get_by_role("button", name="Call", exact=True).click()
    expect(status).to_have_text("The hub can't be reached")
    expect(explanation).to_have_text("The call starts as soon as it is back.")
    assert look(screen, "call-hub-unreached", full_page=False) == []
    screen.get_by_role("button", name="Hang up").click()
    expect(status).to_have_text("Call cancelled")
    screen.get_by_role("button", name="Call again").click()
    expect(status).to_have_text("The hub can't be reached")
    fake_hub.answers["call_invite"] = {"type": "call_state", "call_id": CALL, "state": "ringing"}
    fake_hub.come_back()
    expect(status).to_have_text("Ringing…", timeout=15_000)
    expect(explanation).to_be_empty()
    assert [m["type"] for m in fake_hub.sent].count("call_invite") == 1


def test_a_call_that_waited_for_the_hub_waits_for_the_device_and_for_what_carries_the_sound_too(
    screen: Page, fake_hub: FakeHub, cast: Cast
) -> None:
    status = screen.locator('[data-part="status"]')
    fake_hub.wait_for("hello")
    fake_hub.leave()
    expect(screen.locator(".stale-bar")).to_be_visible()
    screen.get_by_role("button", name="Call", exact=True).click()
    expect(status).to_have_text("The hub can't be reached")
    fake_hub.come_back()
    fake_hub.wait_for("hello", count=2)
    device = {"device_id": str(cast.kitchen.public_id), "last_seen_at": None}
    fake_hub.say("presence", **device, is_online=False)
    expect(status).to_have_text("The hub is starting", timeout=15_000)
    assert look(screen, "call-hub-starting", full_page=False) == []
    fake_hub.answers["call_invite"] = {"type": "error", "code": "no_worker", "message": "Not yet."}
    assert "call_invite" not in [m["type"] for m in fake_hub.sent]
    fake_hub.say("presence", **device, is_online=True)
    fake_hub.wait_for("call_invite")
    expect(status).to_have_text("The hub is starting")
    fake_hub.answers["call_invite"] = {"type": "call_state", "call_id": CALL, "state": "ringing"}
    expect(status).to_have_text("Ringing…")


def test_a_hang_up_waits_for_a_hub_that_is_away_and_closes_the_sound_at_once(
    screen: Page, fake_hub: FakeHub
) -> None:
    talk(screen, fake_hub)
    fake_hub.leave()
    explanation, status = screen.locator('[data-part="explanation"]'), screen.locator('[data-part="status"]')
    expect(explanation).not_to_be_empty()
    screen.get_by_role("button", name="Hang up").click()
    expect(status).to_have_text("Call ended")  # how long it was is for the hub to say
    screen.wait_for_function("() => window.farEnds[0].connectionState !== 'connected'")
    link = screen.get_by_role("link", name="Recording and transcript")
    expect(explanation).to_have_text(
        "The hub can't be reached just now. It hears that you hung up as soon as it is back."
    )
    expect(link).to_have_attribute("aria-disabled", "true")
    expect(screen.locator('[data-part="note"]')).to_be_hidden()
    screen.wait_for_timeout(2_000)  # the bar of all pages comes after 1.5 s
    assert look(screen, "call-ended-hub-away", full_page=False) == []
    assert "call_end" not in [m["type"] for m in fake_hub.sent]
    fake_hub.answers["call_end"] = {
        "type": "call_state",
        "call_id": CALL,
        "state": "ended",
        "duration_s": 92.46,
    }
    fake_hub.come_back()
    end = fake_hub.wait_for("call_end", within_ms=15_000)
    assert end["call_id"] == CALL
    assert 2 < end["ago_s"] < 30
    expect(status).to_have_text("Call ended (1:32)")
    expect(link).to_have_attribute("aria-disabled", "false")
    expect(explanation).to_be_empty()


def test_a_call_that_was_over_when_the_page_came_back_is_as_long_as_the_hub_says(
    screen: Page, fake_hub: FakeHub
) -> None:
    call(screen, fake_hub)
    words = {"call_id": CALL, "connected_at": "2026-11-21T00:00:00Z"}
    fake_hub.say("call_state", **words, state="connected")
    fake_hub.say("call_state", **words, state="ended", outcome="answered", duration_s=46.48)
    expect(screen.locator('[data-part="status"]')).to_have_text("Call ended (0:46)")


def test_after_a_break_it_says_again_what_was_not_answered(screen: Page, fake_hub: FakeHub) -> None:
    call(screen, fake_hub)
    fake_hub.drop()
    again = fake_hub.wait_for("webrtc_offer", count=2)
    assert again == fake_hub.wait_for("webrtc_offer")
    assert [m["type"] for m in fake_hub.sent].count("call_invite") == 1


def test_an_invitation_whose_answer_is_lost_is_repeated_with_its_id(screen: Page, fake_hub: FakeHub) -> None:
    screen.get_by_role("button", name="Call", exact=True).click()
    first = fake_hub.wait_for("call_invite")
    assert fake_hub.wait_for("call_invite", count=2)["id"] == first["id"]
    fake_hub.drop()
    fake_hub.answers["call_invite"] = {"type": "call_state", "call_id": CALL, "state": "ringing"}
    expect(screen.locator('[data-part="status"]')).to_have_text("Ringing…")
    assert {m["id"] for m in fake_hub.sent if m["type"] == "call_invite"} == {first["id"]}


def test_an_offer_that_nobody_can_take_yet_is_made_again(screen: Page, fake_hub: FakeHub) -> None:
    fake_hub.answers["webrtc_offer"] = {"type": "error", "code": "no_worker", "message": "Not now."}
    call(screen, fake_hub)
    fake_hub.wait_for("webrtc_offer", count=3)
    ids = [m["id"] for m in fake_hub.sent if m["type"] == "webrtc_offer"]
    assert len(set(ids)) == len(ids)
    assert "call_end" not in [m["type"] for m in fake_hub.sent]


def test_it_says_that_the_other_end_is_away(screen: Page, fake_hub: FakeHub) -> None:
    call(screen, fake_hub)
    words = {"call_id": CALL, "state": "connected", "connected_at": "2026-11-21T00:00:00Z"}
    fake_hub.say("call_quality", call_id=CALL, ends=VERY_GOOD)
    fake_hub.say("call_state", **words, away=["callee"])
    expect(screen.locator('[data-part="status"]')).to_be_visible()
    expect(screen.get_by_text("The other end lost its connection. Waiting for it…")).to_be_visible()
    expect(screen.locator('[data-part="recording"]')).to_be_visible()
    expect(screen.locator('[data-part="explanation"]')).to_contain_text("within 45 seconds")
    expect(screen.locator('[data-end="caller"] [data-word]')).to_have_text("Very good")
    expect(screen.locator('[data-end="callee"] [data-word]')).to_have_text("Lost")
    assert look(screen, "call-waiting", full_page=False) == []
    fake_hub.say("call_state", **words)
    expect(screen.locator('[data-end="callee"] [data-word]')).to_have_text("Very good")
    expect(screen.get_by_text("Connected")).to_have_class("call-status visually-hidden")


def test_a_moved_call_gets_a_new_offer(screen: Page, fake_hub: FakeHub) -> None:
    call(screen, fake_hub)
    fake_hub.say("call_moved", call_id=CALL)
    assert fake_hub.wait_for("webrtc_offer", count=2)["call_id"] == CALL


def test_a_lost_connection_is_made_anew_and_everything_else_stays(screen: Page, fake_hub: FakeHub) -> None:
    talk(screen, fake_hub)
    screen.get_by_role("button", name="Mute").click()
    expect(screen.locator('[data-part="timer"]')).to_have_text(SECONDS)
    fake_hub.hang_far_end()
    expect(screen.locator('[data-part="status"]')).to_have_text("Reconnecting…", timeout=10_000)
    expect(screen.locator('[data-part="recording"]')).to_be_visible()
    fake_hub.connect(count=2)
    expect(screen.get_by_text("Connected")).to_have_class("call-status visually-hidden")
    expect(screen.get_by_role("button", name="Muted")).to_have_attribute("aria-pressed", "true")
    assert screen.locator('[data-part="timer"]').inner_text() != "0:00"
    screen.wait_for_function(f"() => ({HEARD})() === 1")
    assert [m["type"] for m in fake_hub.sent].count("call_invite") == 1


def test_a_hub_that_stops_in_a_call_is_said_at_once_and_so_is_what_will_happen(
    screen: Page, fake_hub: FakeHub
) -> None:
    talk(screen, fake_hub)
    explanation, left = screen.locator('[data-part="explanation"]'), screen.locator('[data-part="left"]')
    expect(explanation).to_be_empty()
    screen.set_viewport_size({"width": 320, "height": 568})
    fake_hub.say("call_quality", call_id=CALL, ends=VERY_GOOD)
    fake_hub.leave()
    expect(explanation).to_contain_text("The hub does not answer right now. You can go on")
    gap = "([above, below]) => below.getBoundingClientRect().top - above.getBoundingClientRect().bottom"
    parts = [explanation.element_handle(), screen.locator("call-quality").element_handle()]
    assert screen.evaluate(gap, parts) >= 8
    expect(left).to_be_hidden()
    fake_hub.hang_far_end()
    expect(screen.locator('[data-part="status"]')).to_have_text("Reconnecting…", timeout=10_000)
    expect(explanation).to_have_text(
        "The hub does not answer. If it is not back in time, the call ends. What was said so far is kept."
    )
    expect(left).to_have_text(re.compile(r"0:[34]\d left"))
    fake_hub.come_back()
    fake_hub.connect(count=2)
    expect(explanation).to_be_empty(timeout=10_000)
    expect(left).to_be_hidden()
    expect(screen.locator("call-view")).to_have_attribute("data-state", "connected")


def test_it_looks_well_while_it_connects_anew(screen: Page, fake_hub: FakeHub) -> None:
    talk(screen, fake_hub)
    fake_hub.say("call_quality", call_id=CALL, ends=VERY_GOOD)
    fake_hub.hang_far_end()
    expect(screen.locator('[data-part="status"]')).to_have_text("Reconnecting…", timeout=10_000)
    words = (
        "No sound comes from the hub. If it is not back in time, the call ends. What was said so far is kept."
    )
    explanation = screen.locator('[data-part="explanation"]')
    expect(explanation).to_have_text(words)
    expect(screen.locator("call-quality p:visible")).to_have_text([LOST])
    assert look(screen, "call-reconnecting", full_page=False) == []
    fake_hub.say("call_moved", call_id=CALL, is_failure=True)
    expect(explanation).to_have_text(words.replace("No sound comes from the hub", "A part of the hub failed"))


def test_a_call_that_moves_since_the_hub_failed_says_so_and_is_heard_once_all_the_time(
    screen: Page, fake_hub: FakeHub
) -> None:
    talk(screen, fake_hub)
    screen.evaluate(
        f"() => {{ window.counts = new Set(); setInterval(() => window.counts.add(({HEARD})()), 1); }}"
    )
    explanation, ends = screen.locator('[data-part="explanation"]'), screen.locator("call-quality p:visible")
    fake_hub.say("call_quality", call_id=CALL, ends=VERY_GOOD)
    expect(ends).to_have_count(2)
    screen.evaluate(NOTE_WORDS)
    fake_hub.say("call_moved", call_id=CALL, is_failure=True)
    expect(explanation).to_have_text("A part of the hub failed. The sound comes back in a moment.")
    expect(ends).to_have_text([LOST])
    fake_hub.connect(count=2)
    expect(explanation).to_have_text("A part of the hub failed for a moment. The sound is back.")
    expect(ends).to_have_text([re.compile(r"You\s+Very good"), re.compile(r"Kitchen speaker\s+Very good")])
    assert LOST.search(screen.evaluate("() => window.notes[0]"))
    screen.wait_for_function("() => window.farEnds[0].connectionState !== 'connected'")
    expect(explanation).to_be_empty(timeout=10_000)
    assert screen.evaluate("() => [...window.counts]") == [1]
    assert screen.evaluate("() => window.farEnds.at(-1).connectionState") == "connected"
    expect(screen.get_by_text("Connected")).to_have_class("call-status visually-hidden")


def test_a_call_that_does_not_come_back_ends_in_words(screen: Page, fake_hub: FakeHub) -> None:
    talk(screen, fake_hub)
    fake_hub.hang_far_end()
    fake_hub.wait_for("webrtc_offer", count=2)
    screen.evaluate(
        "() => { const now = performance.now.bind(performance); performance.now = () => now() + 46_000; }"
    )
    words = "The connection was lost and did not come back."
    assert fake_hub.wait_for("call_end")["reason"] == words
    expect(screen.get_by_text(words)).to_be_visible()
    assert look(screen, "call-lost", full_page=False) == []
