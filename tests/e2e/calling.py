"""Calls on the call page against a fake hub, for several tests."""

import re

from playwright.sync_api import Page, expect

from tests.e2e.screens import picture
from tests.fakes.browser_hub import FakeHub

CALL = "22222222-2222-4222-8222-222222222222"
SECONDS = re.compile(r"^0:(0[1-9]|[1-5]\d)$")  # a call's timer runs on while nobody looks
OTHER_CALL = "33333333-3333-4333-8333-333333333333"
# How many sounds the person hears now.
HEARD = """() => [...document.querySelectorAll('audio')]
  .filter((one) => one.srcObject && !one.muted && !one.paused).length"""
# What lies under something else, and buttons that are not wholly on the screen. What is scrolled away does not count.
_MISPLACED = """() => {
  const parts = "header > *, h1, .call-middle > p, call-quality span:not(.bars), level-meter, .call-before p, " +
    ".call-after p, .btn, .call-controls button";
  const middle = document.querySelector(".call-middle");
  const boxOf = (one) => {
    const { top, bottom, left, right } = one.getBoundingClientRect();
    const view = middle.contains(one) ? middle.getBoundingClientRect() : { top: -1e4, bottom: 1e4 };
    return { top: Math.max(top, view.top), bottom: Math.min(bottom, view.bottom), left, right };
  };
  const seen = [...document.querySelectorAll(`call-view :is(${parts})`)]
    .filter((one) => one.checkVisibility() && !one.matches(".visually-hidden"))
    .map((one) => [one, boxOf(one)]).filter(([, { top, bottom }]) => bottom - top > 1);
  const name = (one) => `<${one.dataset.part ?? one.className ?? ""}> ${one.innerText}`;
  const over = ([a, x], [b, y]) => !a.contains(b) && !b.contains(a) &&
    Math.min(x.right, y.right) - Math.max(x.left, y.left) > 1 &&
    Math.min(x.bottom, y.bottom) - Math.max(x.top, y.top) > 1;
  const isOff = ([one, { top, bottom, left, right }]) => left < 0 || right > innerWidth ||
    (one.matches(".btn, button") && (top < 0 || bottom > innerHeight));
  const pairs = seen.flatMap((a, i) => seen.slice(i + 1).map((b) => [a, b]));
  return [
    ...pairs.filter(([a, b]) => over(a, b)).map(([[a], [b]]) => `${name(a)} and ${name(b)}`),
    ...seen.filter(isOff).map(([one]) => `${name(one)} is off the screen`),
  ];
}"""
_SIZES = [(320, 568), (390, 844), (844, 390), (1024, 500), (1280, 800)]


def call(screen: Page, fake_hub: FakeHub, state: str = "calling") -> None:
    fake_hub.answers["call_invite"] = {"type": "call_state", "call_id": CALL, "state": state}
    screen.get_by_role("button", name="Call", exact=True).click()
    fake_hub.wait_for("webrtc_offer")


def talk(screen: Page, fake_hub: FakeHub) -> None:
    """A call whose sound is real: the far end is in the page."""
    call(screen, fake_hub)
    fake_hub.connect()
    fake_hub.say("call_state", call_id=CALL, state="connected", connected_at="2026-11-21T00:00:00Z")
    expect(screen.get_by_text("Connected")).to_have_class("call-status visually-hidden")
    screen.wait_for_function(f"() => ({HEARD})() === 1")


def misplaced(page: Page, name: str) -> list[str]:
    """In every size. The smallest one and the lowest one are kept as pictures."""
    found = []
    for width, height in _SIZES:
        page.set_viewport_size({"width": width, "height": height})
        found += [f"{width}x{height}: {words}" for words in page.evaluate(_MISPLACED)]
        if (width, height) in ((320, 568), (844, 390)):
            picture(page, f"{name}-{width}x{height}")
    return found
