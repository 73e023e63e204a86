"""The call screen against a hub whose every word the test chooses. The audio itself is in the main job's test."""

import pytest
from django.urls import reverse
from django_scopes import scope
from playwright.sync_api import Dialog, Page, expect

from calls.models import Call
from common.clock import now
from protocol.messages.calls import CallState
from protocol.messages.statistics import Stats
from protocol.messages.unions import parse_browser
from tests.e2e.calling import CALL, OTHER_CALL, SECONDS, call, misplaced
from tests.e2e.screens import look
from tests.fakes.browser_hub import FakeHub
from tests.plugin_cast import Cast

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


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
    call(screen, fake_hub)
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
    call(screen, fake_hub)
    for state, words in (("ringing", "Ringing…"), ("connecting", "Connecting…")):
        fake_hub.say("call_state", call_id=CALL, state=state)
        expect(screen.locator('[data-part="status"]')).to_have_text(words)
    assert look(screen, "call-connecting", full_page=False) == []
    fake_hub.say("call_state", call_id=CALL, state="connected", connected_at="2026-11-21T00:00:00Z")
    expect(screen.locator('[data-part="recording"]')).to_be_visible()
    expect(screen.locator('[data-part="timer"]')).to_have_text(SECONDS)
    assert look(screen, "call-connected", full_page=False) == []
    fake_hub.say("call_end", call_id=CALL, outcome="answered", duration_s=92.0)
    expect(screen.locator('[data-part="status"]')).to_have_text("Call ended (1:32)")
    link = screen.get_by_role("link", name="Recording and transcript")
    expect(link).to_have_attribute("href", reverse("calls:detail", args=[CALL]))
    assert look(screen, "call-ended", full_page=False) == []


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
    call(screen, fake_hub)
    fake_hub.say("call_state", call_id=CALL, state="connected", connected_at="2026-11-21T00:00:00Z")
    words = "The hub was stopped or restarted"
    fake_hub.say("call_end", call_id=CALL, outcome="answered", duration_s=92.0, reason=f"{words}.")
    expect(screen.locator('[data-part="status"]')).to_have_text("Call ended (1:32)")
    explanation = screen.locator('[data-part="explanation"]')
    expect(explanation).to_have_text(f"{words}.")
    fake_hub.leave()
    expect(explanation).to_have_text(f"{words} and can't be reached just now.")
    expect(screen.get_by_text("The hub", exact=False).locator("visible=true")).to_have_count(1)


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


def test_whoever_is_in_that_call_already_may_end_it_here_and_on_its_record(
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
    button = screen.get_by_role("button", name="Hang up")
    expect(screen.get_by_role("button", name="Call again")).to_be_hidden()
    expect(screen.get_by_role("link", name="Home")).to_be_focused()
    assert look(screen, "call-elsewhere", full_page=False) == []
    button.click()
    assert fake_hub.wait_for("call_end")["call_id"] == OTHER_CALL
    fake_hub.say("call_end", call_id=OTHER_CALL, outcome="answered", duration_s=3.0)
    expect(screen.locator('[data-part="status"]')).to_have_text("That call is over")
    expect(screen.get_by_role("button", name="Call again")).to_be_visible()
    expect(button).to_be_hidden()
    screen.get_by_role("link", name="Recording and transcript").click()
    expect(button).to_be_visible()
    assert look(screen, "call-going-on") == []
    fake_hub.wait_for("hello", count=2)
    button.focus()
    for _ in range(3):  # what comes is the same as before
        with screen.expect_response("**/player/"):
            pass
    expect(button).to_be_focused()
    count = [m["type"] for m in fake_hub.sent].count("call_end")
    button.click()
    assert fake_hub.wait_for("call_end", count=count + 1)["call_id"] == OTHER_CALL


def test_a_bad_offer_ends_the_call_on_both_sides(screen: Page, fake_hub: FakeHub) -> None:
    fake_hub.answers["webrtc_offer"] = {
        "type": "error",
        "code": "bad_sdp",
        "message": "The hub did not take the offer.",
    }
    call(screen, fake_hub)
    expect(screen.locator('[data-part="status"]')).to_have_text("The hub did not take the offer.")
    assert fake_hub.wait_for("call_end")["call_id"] == CALL


def test_hanging_up_is_said_once(screen: Page, fake_hub: FakeHub) -> None:
    call(screen, fake_hub)
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


def test_a_second_page_of_a_call_says_so_at_once_and_may_end_it(
    screen: Page, fake_hub: FakeHub, cast: Cast
) -> None:
    fake_hub.wait_for("hello")
    mine = {"device_id": str(cast.kitchen.public_id), "caller_id": str(cast.anna.user.public_id)}
    fake_hub.say("call_state", call_id=OTHER_CALL, state="connected", **mine)
    words = "You are in a call with Kitchen speaker already, on another page or device of yours."
    expect(screen.locator('[data-part="status"]')).to_have_text(words)
    button = screen.get_by_role("button", name="Hang up")
    expect(screen.get_by_role("button", name="Call", exact=True)).to_be_hidden()
    assert look(screen, "call-second-page", full_page=False) == []
    fake_hub.answers["call_end"] = {"type": "error", "code": "internal", "message": "Something went wrong."}
    button.click()
    expect(screen.get_by_text("Something went wrong.")).to_be_visible()
    fake_hub.say("call_end", call_id=OTHER_CALL, outcome="no_answer")
    expect(screen.get_by_role("button", name="Call again")).to_be_visible()
    expect(button).to_be_hidden()
    expect(screen.get_by_role("link", name="Recording and transcript")).to_be_hidden()


def test_a_page_that_is_loaded_anew_in_a_call_asks_first_and_says_once_that_the_call_ended(
    screen: Page, fake_hub: FakeHub
) -> None:
    asked: list[str] = []

    def go(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    screen.on("dialog", go)
    status = screen.locator('[data-part="status"]')
    call(screen, fake_hub)
    assert (
        screen.evaluate("() => getComputedStyle(document.documentElement).overscrollBehaviorY") == "contain"
    )
    screen.reload()
    assert asked == ["beforeunload"]
    expect(status).to_have_text("Your call ended when the page was closed")
    fake_hub.sent.clear()  # the page that went may have been heard, too; this one says it until it has an answer
    told = fake_hub.wait_for("call_end")
    assert (told["call_id"], told["reason"]) == (CALL, "The page of the call was closed.")
    link = screen.get_by_role("link", name="See that call")
    expect(link).to_have_attribute("href", reverse("calls:detail", args=[CALL]))
    assert look(screen, "call-left", full_page=False) == []
    assert misplaced(screen, "call-left") == []
    fake_hub.say("call_state", call_id=CALL, state="ended", reply_to=told["id"])
    screen.reload()
    expect(status).to_have_text("Ready to call")
    expect(link).to_be_hidden()
    assert len(asked) == 1


def test_mute_says_so_and_keeps_the_connection(screen: Page, fake_hub: FakeHub) -> None:
    call(screen, fake_hub)
    screen.get_by_role("button", name="Mute").click()
    expect(screen.get_by_role("button", name="Muted")).to_have_attribute("aria-pressed", "true")
    screen.get_by_role("button", name="Muted").click()
    expect(screen.get_by_role("button", name="Mute", exact=True)).to_have_attribute("aria-pressed", "false")
    assert [m["type"] for m in fake_hub.sent].count("webrtc_offer") == 1


def test_it_does_not_listen_to_another_call(screen: Page, fake_hub: FakeHub) -> None:
    call(screen, fake_hub)
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
    assert misplaced(page, "call-refused") == []
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


def test_without_https_the_page_says_who_can_help(page: Page, fake_hub: FakeHub, cast: Cast) -> None:
    page.add_init_script("Object.defineProperty(window, 'isSecureContext', { value: false })")
    page.add_init_script("navigator.mediaDevices.getUserMedia = undefined")
    page.goto(reverse("devices:call", args=[cast.kitchen.public_id]))
    page.get_by_role("button", name="Call", exact=True).click()
    expect(page.get_by_text("Whoever runs the hub sets up HTTPS")).to_be_visible()
    assert look(page, "call-without-https") == []


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
