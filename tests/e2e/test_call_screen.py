"""The call screen against a hub whose every word the test chooses. The audio itself is in the main job's test."""

import re

import pytest
from django.urls import reverse
from django_scopes import scope
from playwright.sync_api import Dialog, Page, expect

from calls.models import Call
from common.clock import now
from devices.models import Device, Room
from households.models import Household
from protocol.messages import CallState, Stats, parse_browser
from tests.e2e.screens import look, picture
from tests.fakes.browser_hub import FakeHub
from tests.plugin_cast import Cast

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]

OTHER_CALL = "33333333-3333-4333-8333-333333333333"
CALL = "22222222-2222-4222-8222-222222222222"


@pytest.fixture
def screen(page: Page, fake_hub: FakeHub, cast: Cast) -> Page:
    """The call page of Anna's kitchen, before anything was pressed."""
    page.goto(reverse("devices:call", args=[cast.kitchen.public_id]))
    return page


def _call(screen: Page, fake_hub: FakeHub, state: str = "calling") -> None:
    fake_hub.answers["call_invite"] = {"type": "call_state", "call_id": CALL, "state": state}
    screen.get_by_role("button", name="Call", exact=True).click()
    fake_hub.wait_for("webrtc_offer")


def test_nothing_is_opened_before_the_button(screen: Page, fake_hub: FakeHub) -> None:
    fake_hub.wait_for("hello")
    assert [message["type"] for message in fake_hub.sent] == ["hello"]
    expect(screen.get_by_text("Ready to call")).to_be_visible()


def test_the_call_button_of_home_calls_at_once(page: Page, fake_hub: FakeHub, cast: Cast) -> None:
    fake_hub.answers["call_invite"] = {"type": "call_state", "call_id": CALL, "state": "calling"}
    page.goto(reverse("devices:call", args=[cast.kitchen.public_id]) + "?start=1")
    assert fake_hub.wait_for("call_invite")["device_id"] == str(cast.kitchen.public_id)
    assert "start" not in page.url


def test_it_offers_and_trickles_its_candidates(screen: Page, fake_hub: FakeHub) -> None:
    _call(screen, fake_hub)
    offer = fake_hub.wait_for("webrtc_offer")
    assert offer["call_id"] == CALL
    assert "m=audio" in offer["sdp"]
    candidate = fake_hub.wait_for("ice_candidate")
    assert candidate["call_id"] == CALL
    last = next(m for m in reversed(fake_hub.sent) if m["type"] == "ice_candidate")
    for _ in range(100):
        if last["candidate"] is None:
            break
        screen.wait_for_timeout(50)
        last = next(m for m in reversed(fake_hub.sent) if m["type"] == "ice_candidate")
    assert last["candidate"] is None


def test_it_says_each_state_and_how_it_ended(screen: Page, fake_hub: FakeHub) -> None:
    _call(screen, fake_hub)
    for state, words in (("ringing", "Ringing…"), ("connecting", "Connecting…")):
        fake_hub.say("call_state", call_id=CALL, state=state)
        expect(screen.locator('[data-part="status"]')).to_have_text(words)
    assert look(screen, "call-connecting", full_page=False) == []
    fake_hub.say("call_state", call_id=CALL, state="connected", connected_at="2026-11-21T00:00:00Z")
    expect(screen.locator('[data-part="recording"]')).to_be_visible()
    expect(screen.locator('[data-part="timer"]')).to_have_text("0:01", timeout=4_000)
    assert look(screen, "call-connected", full_page=False) == []
    fake_hub.say("call_end", call_id=CALL, outcome="answered", duration_s=92.0)
    expect(screen.locator('[data-part="status"]')).to_have_text("Call ended (1:32)")
    link = screen.get_by_role("link", name="Recording and transcript")
    expect(link).to_have_attribute("href", reverse("calls:detail", args=[CALL]))
    assert look(screen, "call-ended", full_page=False) == []


def test_it_shows_how_good_both_connections_are(screen: Page, fake_hub: FakeHub) -> None:
    _call(screen, fake_hub)
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
    expect(quality.locator('[data-end="caller"]')).to_have_text(re.compile(r"You\s+Lost"))
    assert look(screen, "call-quality-lost", full_page=False) == []


def test_the_lines_of_quality_stay_where_they_are_when_a_word_changes(
    screen: Page, fake_hub: FakeHub
) -> None:
    screen.set_viewport_size({"width": 390, "height": 844})
    _call(screen, fake_hub)
    fake_hub.say("call_state", call_id=CALL, state="connected", connected_at="2026-11-21T00:00:00Z")
    places = []
    for bars, quality, words in ((2, "weak", "Weak"), (4, "very_good", "Very good"), (0, "lost", "Lost")):
        ends = [{"role": "caller", "bars": bars, "quality": quality}]
        ends.append({"role": "callee", "bars": 3, "quality": "good"})
        fake_hub.say("call_quality", call_id=CALL, ends=ends)
        expect(screen.locator('[data-end="caller"]')).to_have_text(re.compile(words))
        places.append(screen.evaluate(PLACES, "[data-end] .end, [data-end] .bars, [data-end] [data-word]"))
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
    _talk(screen, fake_hub)
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


# What lies under something else, and buttons that are not wholly on the screen. What is scrolled away does not count.
MISPLACED = """() => {
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
LOW_AND_SMALL = [(320, 568), (390, 844), (844, 390), (1024, 500), (1280, 800)]


def _misplaced(page: Page, name: str) -> list[str]:
    """In every size. The smallest one and the lowest one are kept as pictures."""
    found = []
    for width, height in LOW_AND_SMALL:
        page.set_viewport_size({"width": width, "height": height})
        found += [f"{width}x{height}: {words}" for words in page.evaluate(MISPLACED)]
        if (width, height) in ((320, 568), (844, 390)):
            picture(page, f"{name}-{width}x{height}")
    return found


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
    assert _misplaced(screen, "call-ready") == []
    _talk(screen, fake_hub)
    ends = [{"role": role, "bars": 4, "quality": "very_good"} for role in ("caller", "callee")]
    fake_hub.say("call_quality", call_id=CALL, ends=ends)
    expect(screen.locator('[data-end="callee"]')).to_be_visible()
    screen.locator('[data-act="hear"]').evaluate("(one) => { one.hidden = false; }")
    assert _misplaced(screen, "call-talking") == []
    screen.locator('[data-act="hear"]').evaluate("(one) => { one.hidden = true; }")
    fake_hub.leave()
    fake_hub.hang_far_end()
    expect(screen.locator('[data-part="left"]')).to_be_visible(timeout=10_000)
    assert _misplaced(screen, "call-again") == []
    screen.set_viewport_size({"width": 320, "height": 300})
    for name in ("Mute", "Hang up"):
        expect(screen.get_by_role("button", name=name)).to_be_in_viewport(ratio=1)
    screen.get_by_role("button", name="Hang up").click()
    expect(screen.get_by_role("button", name="Call again")).to_be_visible()
    assert _misplaced(screen, "call-over") == []


TWO_PEERS = """async () => {
  const { QualityReport } = await import("/static/js/lib/quality-report.js");
  const microphone = await navigator.mediaDevices.getUserMedia({ audio: true });
  const [own, far] = [new RTCPeerConnection(), new RTCPeerConnection()];
  own.onicecandidate = ({ candidate }) => far.addIceCandidate(candidate);
  far.onicecandidate = ({ candidate }) => own.addIceCandidate(candidate);
  // Samples are counted where somebody listens.
  own.ontrack = ({ streams }) => Object.assign(new Audio(), { srcObject: streams[0] }).play();
  for (const peer of [own, far]) peer.addTrack(microphone.getAudioTracks()[0].clone(), microphone);
  await own.setLocalDescription();
  await far.setRemoteDescription(own.localDescription);
  await far.setLocalDescription();
  await own.setRemoteDescription(far.localDescription);
  const sent = [];
  let isAway = false;
  const report = new QualityReport({ send: (message) => !isAway && sent.push(JSON.stringify(message)) });
  for (let second = 0; second < 7; second++) {
    await new Promise((go) => setTimeout(go, 1000));
    isAway = second === 4; // when the first message is due
    await report.take(own, CALL);
  }
  report.pause(CALL);
  for (const peer of [own, far]) peer.close();
  return sent;
}""".replace("CALL", f'"{CALL}"')


def test_it_measures_a_sample_a_second_in_messages_of_five_and_what_the_hub_missed_goes_with_the_next(
    screen: Page,
) -> None:
    found = [parse_browser(text) for text in screen.evaluate(TWO_PEERS)]
    messages = [message for message in found if isinstance(message, Stats)]
    assert [len(message.samples) for message in messages] == [6, 1]
    last = messages[-1]
    assert (last.codec, last.protocol, last.local_candidate_type) == ("audio/opus", "udp", "host")
    [sample] = last.samples
    # Of about one second, on a machine that may be busy: not of all seven.
    assert 5 < sample.packets_received < 100
    assert 5 < sample.packets_sent < 100
    assert sample.bytes_received > 100
    assert 5_000 < (sample.total_samples_received or 0) < 100_000
    assert sample.jitter_s is not None
    assert sample.round_trip_time_s is not None
    assert sample.concealed_samples is not None
    assert sample.audio_level is not None


def test_an_answered_call_that_broke_off_says_why(screen: Page, fake_hub: FakeHub) -> None:
    _call(screen, fake_hub)
    fake_hub.say("call_state", call_id=CALL, state="connected", connected_at="2026-11-21T00:00:00Z")
    words = "The hub was stopped or restarted"
    fake_hub.say("call_end", call_id=CALL, outcome="answered", duration_s=92.0, reason=f"{words}.")
    expect(screen.locator('[data-part="status"]')).to_have_text("Call ended (1:32)")
    explanation = screen.locator('[data-part="explanation"]')
    expect(explanation).to_have_text(f"{words}.")
    fake_hub.leave()
    expect(explanation).to_have_text(f"{words} and can't be reached just now.")
    expect(screen.get_by_text("The hub", exact=False)).to_have_count(1)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("device_offline", "Kitchen speaker is offline."),
        ("device_busy", "Kitchen speaker is in another call."),
        ("no_worker", "The hub cannot carry audio right now."),
    ],
)
def test_a_refusal_is_shown_in_the_hub_s_words(
    screen: Page, fake_hub: FakeHub, code: str, message: str
) -> None:
    fake_hub.answers["call_invite"] = {"type": "error", "code": code, "message": message}
    screen.get_by_role("button", name="Call", exact=True).click()
    expect(screen.locator('[data-part="status"]')).to_have_text(message)
    expect(screen.get_by_role("link", name="Announce instead")).to_be_visible(visible=code != "no_worker")
    expect(screen.get_by_role("button", name="Call again")).to_be_visible()


def test_whoever_is_in_that_call_already_is_led_to_it_and_may_end_it(
    screen: Page, fake_hub: FakeHub, cast: Cast
) -> None:
    with scope(household=cast.anna.household):
        Call.objects.create(
            public_id=OTHER_CALL,
            household=cast.anna.household,
            device=cast.kitchen,
            started_by=cast.anna.user,
            state=CallState.CONNECTED,
            connected_at=now(),
        )
    words = "You are in a call with Kitchen speaker already, on another page or device of yours."
    busy = {"type": "error", "code": "device_busy", "message": words, "call_id": OTHER_CALL}
    fake_hub.answers["call_invite"] = busy
    screen.get_by_role("button", name="Call", exact=True).click()
    expect(screen.locator('[data-part="status"]')).to_have_text(words)
    link = screen.get_by_role("link", name="Go to the call")
    expect(screen.get_by_role("button", name="Call again")).to_be_hidden()
    assert look(screen, "call-elsewhere", full_page=False) == []
    fake_hub.say("call_end", call_id=OTHER_CALL, outcome="answered", duration_s=3.0)
    expect(screen.get_by_role("button", name="Call again")).to_be_visible()
    expect(link).to_be_hidden()
    screen.get_by_role("button", name="Call again").click()
    link.click()
    button = screen.get_by_role("button", name="Hang up")
    expect(button).to_be_visible()
    assert look(screen, "call-going-on") == []
    fake_hub.wait_for("hello", count=2)
    button.focus()
    for _ in range(3):  # what comes is the same as before
        with screen.expect_response("**/player/"):
            pass
    expect(button).to_be_focused()
    button.click()
    assert fake_hub.wait_for("call_end")["call_id"] == OTHER_CALL


def test_a_bad_offer_ends_the_call_on_both_sides(screen: Page, fake_hub: FakeHub) -> None:
    fake_hub.answers["webrtc_offer"] = {
        "type": "error",
        "code": "bad_sdp",
        "message": "The hub did not take the offer.",
    }
    _call(screen, fake_hub)
    expect(screen.locator('[data-part="status"]')).to_have_text("The hub did not take the offer.")
    assert fake_hub.wait_for("call_end")["call_id"] == CALL


def test_hanging_up_is_said_once(screen: Page, fake_hub: FakeHub) -> None:
    _call(screen, fake_hub)
    screen.get_by_role("button", name="Hang up").click()
    expect(screen.locator('[data-part="status"]')).to_have_text("Call cancelled")
    fake_hub.say("call_end", call_id=CALL, outcome="cancelled")
    screen.wait_for_timeout(300)
    assert [m["type"] for m in fake_hub.sent].count("call_end") == 1


def test_a_call_that_was_cancelled_before_the_hub_had_answered_ends_there_too(
    screen: Page, fake_hub: FakeHub
) -> None:
    screen.get_by_role("button", name="Call", exact=True).click()
    invite = fake_hub.wait_for("call_invite")
    screen.get_by_role("button", name="Hang up").click()
    fake_hub.say("call_state", reply_to=invite["id"], call_id=CALL, state="calling")
    assert fake_hub.wait_for("call_end")["call_id"] == CALL
    expect(screen.locator('[data-part="status"]')).to_have_text("Call cancelled")


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


def test_a_second_page_of_a_call_leads_to_it_at_once(screen: Page, fake_hub: FakeHub, cast: Cast) -> None:
    fake_hub.wait_for("hello")
    mine = {"device_id": str(cast.kitchen.public_id), "caller_id": str(cast.anna.user.public_id)}
    fake_hub.say("call_state", call_id=OTHER_CALL, state="connected", **mine)
    words = "You are in a call with Kitchen speaker already, on another page or device of yours."
    expect(screen.locator('[data-part="status"]')).to_have_text(words)
    expect(screen.get_by_role("link", name="Go to the call")).to_be_visible()
    expect(screen.get_by_role("button", name="Call", exact=True)).to_be_hidden()
    assert look(screen, "call-second-page", full_page=False) == []
    fake_hub.say("call_end", call_id=OTHER_CALL, outcome="answered", duration_s=3.0)
    expect(screen.get_by_role("button", name="Call again")).to_be_visible()


def test_a_page_that_is_loaded_anew_in_a_call_asks_first_and_says_once_that_the_call_ended(
    screen: Page, fake_hub: FakeHub
) -> None:
    asked: list[str] = []

    def go(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    screen.on("dialog", go)
    status = screen.locator('[data-part="status"]')
    _call(screen, fake_hub)
    assert (
        screen.evaluate("() => getComputedStyle(document.documentElement).overscrollBehaviorY") == "contain"
    )
    screen.reload()
    assert asked == ["beforeunload"]
    expect(status).to_have_text("Your call ended when the page was closed")
    link = screen.get_by_role("link", name="See that call")
    expect(link).to_have_attribute("href", reverse("calls:detail", args=[CALL]))
    assert look(screen, "call-left", full_page=False) == []
    assert _misplaced(screen, "call-left") == []
    screen.reload()
    expect(status).to_have_text("Ready to call")
    expect(link).to_be_hidden()
    assert len(asked) == 1


def test_a_hang_up_waits_for_a_hub_that_is_away_and_closes_the_sound_at_once(
    screen: Page, fake_hub: FakeHub
) -> None:
    _talk(screen, fake_hub)
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
    _call(screen, fake_hub)
    words = {"call_id": CALL, "connected_at": "2026-11-21T00:00:00Z"}
    fake_hub.say("call_state", **words, state="connected")
    fake_hub.say("call_state", **words, state="ended", outcome="answered", duration_s=46.48)
    expect(screen.locator('[data-part="status"]')).to_have_text("Call ended (0:46)")


def test_mute_says_so_and_keeps_the_connection(screen: Page, fake_hub: FakeHub) -> None:
    _call(screen, fake_hub)
    screen.get_by_role("button", name="Mute").click()
    expect(screen.get_by_role("button", name="Muted")).to_have_attribute("aria-pressed", "true")
    screen.get_by_role("button", name="Muted").click()
    expect(screen.get_by_role("button", name="Mute", exact=True)).to_have_attribute("aria-pressed", "false")
    assert [m["type"] for m in fake_hub.sent].count("webrtc_offer") == 1


def test_after_a_break_it_says_again_what_was_not_answered(screen: Page, fake_hub: FakeHub) -> None:
    _call(screen, fake_hub)
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
    _call(screen, fake_hub)
    fake_hub.wait_for("webrtc_offer", count=3)
    ids = [m["id"] for m in fake_hub.sent if m["type"] == "webrtc_offer"]
    assert len(set(ids)) == len(ids)
    assert "call_end" not in [m["type"] for m in fake_hub.sent]


def test_it_says_that_the_other_end_is_away(screen: Page, fake_hub: FakeHub) -> None:
    _call(screen, fake_hub)
    words = {"call_id": CALL, "state": "connected", "connected_at": "2026-11-21T00:00:00Z"}
    fake_hub.say("call_state", **words, away=["callee"])
    expect(screen.locator('[data-part="status"]')).to_be_visible()
    expect(screen.get_by_text("The other end lost its connection. Waiting for it…")).to_be_visible()
    expect(screen.locator('[data-part="recording"]')).to_be_visible()
    assert look(screen, "call-waiting", full_page=False) == []
    fake_hub.say("call_state", **words)
    expect(screen.get_by_text("Connected")).to_have_class("call-status visually-hidden")


def test_a_moved_call_gets_a_new_offer(screen: Page, fake_hub: FakeHub) -> None:
    _call(screen, fake_hub)
    fake_hub.say("call_moved", call_id=CALL)
    assert fake_hub.wait_for("webrtc_offer", count=2)["call_id"] == CALL


def test_it_does_not_listen_to_another_call(screen: Page, fake_hub: FakeHub) -> None:
    _call(screen, fake_hub)
    fake_hub.say("call_end", call_id=OTHER_CALL, outcome="answered", duration_s=1.0)
    fake_hub.say("call_state", call_id=CALL, state="ringing")
    expect(screen.locator('[data-part="status"]')).to_have_text("Ringing…")


# The person has not chosen yet, and then says no, once.
REFUSES_ONCE = """(() => {
  navigator.permissions.query = () => Promise.resolve(Object.assign(new EventTarget(), { state: "prompt" }));
  const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = () => {
    navigator.mediaDevices.getUserMedia = open;
    return Promise.reject(new DOMException("", "NotAllowedError"));
  };
})()"""


def test_a_refused_microphone_is_explained_at_the_first_try(
    page: Page, fake_hub: FakeHub, cast: Cast
) -> None:
    page.add_init_script(REFUSES_ONCE)
    page.goto(reverse("devices:call", args=[cast.kitchen.public_id]) + "?start=1")
    expect(page.get_by_text("The microphone is blocked for this page, so nobody was called.")).to_be_visible()
    expect(page.locator('[data-part="status"]')).to_have_text("No microphone")
    assert "call_invite" not in [m["type"] for m in fake_hub.sent]
    assert look(page, "call-refused", full_page=False) == []
    assert _misplaced(page, "call-refused") == []
    page.get_by_role("button", name="Call", exact=True).click()
    fake_hub.wait_for("call_invite")


BLOCKED = """(() => {
  window.permission = Object.assign(new EventTarget(), { state: "denied" });
  navigator.permissions.query = () => Promise.resolve(window.permission);
})()"""
INSTALLED = """(() => {
  const match = window.matchMedia.bind(window);
  window.matchMedia = (query) => query === "(display-mode: browser)" ? { matches: false } : match(query);
})()"""


def test_a_blocked_microphone_is_said_before_anybody_is_called_and_an_app_has_words_of_its_own(
    page: Page, fake_hub: FakeHub, cast: Cast
) -> None:
    url = reverse("devices:call", args=[cast.kitchen.public_id])
    reason, status = page.locator('[data-part="reason"]'), page.locator('[data-part="status"]')
    page.add_init_script(BLOCKED)
    page.goto(url)
    expect(status).to_have_text("Microphone blocked")
    expect(reason).to_have_text(
        "Your browser keeps the microphone from this page. "
        "Press the sign beside the address above, allow the microphone, then press Call."
    )
    page.evaluate("() => { permission.state = 'granted'; permission.dispatchEvent(new Event('change')); }")
    expect(status).to_have_text("Ready to call")
    expect(reason).to_contain_text("Your microphone opens only for the call")
    page.add_init_script(INSTALLED)
    page.goto(f"{url}?start=1")
    expect(reason).to_have_text(
        "The microphone is blocked for this page, so nobody was called. "
        "Allow it in the settings of the app or of the browser, then press Call."
    )
    assert "call_invite" not in [m["type"] for m in fake_hub.sent]


HEARD = """() => [...document.querySelectorAll('audio')]
  .filter((one) => one.srcObject && !one.muted && !one.paused).length"""


def _talk(screen: Page, fake_hub: FakeHub) -> None:
    """A call whose sound is real: the far end is in the page."""
    _call(screen, fake_hub)
    fake_hub.connect()
    fake_hub.say("call_state", call_id=CALL, state="connected", connected_at="2026-11-21T00:00:00Z")
    expect(screen.get_by_text("Connected")).to_have_class("call-status visually-hidden")
    screen.wait_for_function(f"() => ({HEARD})() === 1")


def test_a_lost_connection_is_made_anew_and_everything_else_stays(screen: Page, fake_hub: FakeHub) -> None:
    _talk(screen, fake_hub)
    screen.get_by_role("button", name="Mute").click()
    expect(screen.locator('[data-part="timer"]')).to_have_text("0:01", timeout=4_000)
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
    _talk(screen, fake_hub)
    explanation, left = screen.locator('[data-part="explanation"]'), screen.locator('[data-part="left"]')
    expect(explanation).to_be_empty()
    screen.set_viewport_size({"width": 320, "height": 568})
    ends = [{"role": role, "bars": 4, "quality": "very_good"} for role in ("caller", "callee")]
    fake_hub.say("call_quality", call_id=CALL, ends=ends)
    fake_hub.leave()
    expect(explanation).to_contain_text("The hub does not answer right now. You can go on", timeout=3_000)
    gap = "([above, below]) => below.getBoundingClientRect().top - above.getBoundingClientRect().bottom"
    parts = [explanation.element_handle(), screen.locator("call-quality").element_handle()]
    assert screen.evaluate(gap, parts) >= 8
    expect(left).to_be_hidden()
    fake_hub.hang_far_end()
    expect(screen.locator('[data-part="status"]')).to_have_text("Reconnecting…", timeout=10_000)
    expect(explanation).to_have_text(
        "The hub does not answer. If it is not back within 45 seconds, the call ends. "
        "What was said so far is kept."
    )
    expect(left).to_have_text(re.compile(r"0:[34]\d left"))
    fake_hub.come_back()
    fake_hub.connect(count=2)
    expect(explanation).to_be_empty(timeout=10_000)
    expect(left).to_be_hidden()
    expect(screen.locator("call-view")).to_have_attribute("data-state", "connected")


def test_it_looks_well_while_it_connects_anew(screen: Page, fake_hub: FakeHub) -> None:
    _talk(screen, fake_hub)
    fake_hub.hang_far_end()
    expect(screen.locator('[data-part="status"]')).to_have_text("Reconnecting…", timeout=10_000)
    assert look(screen, "call-reconnecting", full_page=False) == []


def test_a_call_that_moves_since_the_hub_failed_says_so_and_is_heard_once_all_the_time(
    screen: Page, fake_hub: FakeHub
) -> None:
    _talk(screen, fake_hub)
    screen.evaluate(
        f"() => {{ window.counts = new Set(); setInterval(() => window.counts.add(({HEARD})()), 1); }}"
    )
    explanation = screen.locator('[data-part="explanation"]')
    fake_hub.say("call_moved", call_id=CALL, is_failure=True)
    expect(explanation).to_have_text("A part of the hub failed. The sound comes back in a moment.")
    fake_hub.connect(count=2)
    expect(explanation).to_have_text("A part of the hub failed for a moment. The sound is back.")
    screen.wait_for_function("() => window.farEnds[0].connectionState !== 'connected'")
    expect(explanation).to_be_empty(timeout=10_000)
    assert screen.evaluate("() => [...window.counts]") == [1]
    assert screen.evaluate("() => window.farEnds.at(-1).connectionState") == "connected"
    expect(screen.get_by_text("Connected")).to_have_class("call-status visually-hidden")


def test_a_call_that_does_not_come_back_ends_in_words(screen: Page, fake_hub: FakeHub) -> None:
    _talk(screen, fake_hub)
    fake_hub.hang_far_end()
    fake_hub.wait_for("webrtc_offer", count=2)
    screen.evaluate(
        "() => { const now = performance.now.bind(performance); performance.now = () => now() + 46_000; }"
    )
    words = "The connection was lost and did not come back."
    assert fake_hub.wait_for("call_end")["reason"] == words
    expect(screen.get_by_text(words)).to_be_visible()
    assert look(screen, "call-lost", full_page=False) == []
