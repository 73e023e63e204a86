"""The page of a call that is over: its words, its sound, and how its connection was."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django_scopes import scope
from playwright.sync_api import Page, expect

from calls.models import Call, CallBreak
from common.clock import now
from households.record.audit import AuditKind, audit_list
from tests.e2e.filled import SPOKEN, call_fill
from tests.e2e.screens import look, picture
from tests.fakes.browser_hub import FakeHub
from tests.plugin_cast import Cast
from transcripts.models import Transcript, TranscriptState

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]

# What of the connection lies under the player, wherever the page was scrolled to.
_COVERED = """() => {
  const player = document.querySelector("call-player");
  const covered = new Set();
  for (let y = 0; y <= document.documentElement.scrollHeight; y += 50) {
    scrollTo({ top: y, behavior: "instant" });
    const { bottom } = player.getBoundingClientRect();
    for (const one of document.querySelectorAll("#connection :is(figcaption, svg, .times, li, p)"))
      if (one.getBoundingClientRect().top < bottom) covered.add(one.textContent.trim());
  }
  return [...covered];
}"""
# Whether the waveform has something at its upper edge, where no voice comes: at each of these shares of its length.
_PAINTED = """(places) => {
  const canvas = document.querySelector("call-player canvas");
  const context = canvas.getContext("2d");
  const isPainted = (share) => context.getImageData(Math.floor(share * canvas.width), 0, 1, 1).data[3] > 0;
  return places.every(([share, painted]) => isPainted(share) === painted);
}"""


@pytest.fixture
def call(cast: Cast) -> Call:
    return call_fill(cast)


def times_played(call: Call) -> int:
    with scope(household=call.household):
        return audit_list(call.household).filter(kind=AuditKind.RECORDING_PLAYED).count()


def test_a_call_shows_its_words_and_its_breaks_and_plays_from_them(
    page: Page, fake_hub: FakeHub, call: Call
) -> None:
    with scope(household=call.household):
        began_at = (call.connected_at or now()) + timedelta(seconds=8.25)
        CallBreak.objects.create(household=call.household, call=call, began_at=began_at)
    page.goto(reverse("calls:detail", args=[call.public_id]))
    expect(page.locator(".sentence")).to_have_count(len(SPOKEN))
    words = "0:08 The connection was gone for 1 second: a part of the hub failed."
    expect(page.locator("#transcript > :last-child")).to_have_text(words)
    page.wait_for_function(_PAINTED, arg=[[0.5, False], [0.96, True]])
    assert [turn.inner_text() for turn in page.locator(".turn h3").all()] == [
        "You",
        "Kitchen speaker",
        "You",
    ]
    assert times_played(call) == 0, "whoever only opens the page has not played it"
    page.get_by_role("button", name="The soup is ready.").click()
    page.wait_for_function(
        "audio => audio.readyState > 0 && audio.currentTime >= 6.4",
        arg=page.locator("call-player audio").element_handle(),
    )
    assert times_played(call) == 1
    expect(page.locator('.sentence[aria-current="true"]')).to_have_text("0:06 The soup is ready.")
    page.get_by_role("button", name="Pause").click()
    assert look(page, "call") == []


def test_how_the_connection_was_unfolds(page: Page, fake_hub: FakeHub, call: Call) -> None:
    page.goto(reverse("calls:detail", args=[call.public_id]))
    expect(page.get_by_text("Good for 7 of 9 seconds. Your sound broke up around 0:04")).to_be_visible()
    expect(page.get_by_text("Sound that got lost (packet loss)")).to_be_hidden()
    page.get_by_text("How the connection was").click()
    expect(page.get_by_text("You: at most 23 %")).to_be_visible()
    for width, height in ((390, 844), (900, 900), (1280, 800)):
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate(_COVERED) == [], (width, height)
    assert look(page, "call-connection") == []


def test_the_transcript_comes_without_a_reload(page: Page, fake_hub: FakeHub, call: Call) -> None:
    with scope(household=call.household):
        Transcript.objects.update(state=TranscriptState.WAITING, reason="No speech recogniser is installed.")
    partial = f"**{reverse('transcripts:partial', args=[call.public_id])}"
    page.route(partial, lambda route: route.fulfill(status=500), times=1)
    page.goto(reverse("calls:detail", args=[call.public_id]))
    expect(page.get_by_text("The words are being fetched.")).to_be_visible()
    picture(page, "transcript-fetched")
    expect(page.get_by_text("Waiting for a speech model.")).to_be_visible()
    picture(page, "transcript-waiting")
    with scope(household=call.household):
        Transcript.objects.update(state=TranscriptState.READY, reason="")
    fake_hub.wait_for("hello")
    fake_hub.say("transcription", text="", final=True, call_id=str(call.public_id))
    expect(page.get_by_text("Waiting for a speech model.")).to_be_hidden()
