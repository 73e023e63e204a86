"""Every page in a real browser: pictures for people to look at, WCAG 2.2 AA, nothing that sticks out."""

import math
import wave
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import segno
from django.urls import reverse
from django_scopes import scope
from playwright.sync_api import Page, expect

from announcements.models import Announcement, AnnouncementDelivery, ClipState, SpeechClip
from calls.measurements import Way, samples_store
from calls.models import (
    Call,
    CallBreak,
    CallParticipant,
    ListeningCopy,
    Measurer,
    ParticipantRole,
    Recording,
    RecordingState,
)
from calls.placement import Worker
from calls.sounds import sound_path
from common.clock import now
from common.failures import MEDIA_WORKER, failure_note
from common.redis import redis_get
from devices.models import DevicePresence
from households.audit import AuditKind, audit_list, audit_note
from households.models import Membership
from protocol.messages import CallOutcome, CallState, DeliveryState
from protocol.quality import StatsSample
from tests.e2e.screens import look, picture
from tests.fakes.browser_hub import FakeHub
from tests.plugin_cast import PASSWORD, Cast, csr_make, device_make
from transcripts.models import Transcript, TranscriptSegment, TranscriptState

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]

SPOKEN = [
    (ParticipantRole.CALLER, 0.4, 2.1, "Are you coming down?"),
    (ParticipantRole.CALLEE, 2.6, 4.4, "In a minute."),
    (ParticipantRole.CALLEE, 4.6, 6.0, "I am still reading."),
    (ParticipantRole.CALLER, 6.4, 8.2, "The soup is ready."),
]
LENGTH_S = 9.0
_COLOUR = "() => getComputedStyle(document.body).color"
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
    """An answered call with its recording and its words."""
    with scope(household=cast.anna.household):
        DevicePresence.objects.filter(device=cast.kitchen).update(is_online=True, last_seen_at=now())
        device_make(cast.anna, "Nursery speaker", "Nursery")
        for outcome in CallOutcome:
            _call_make(cast, outcome)
        return _call_make(cast, CallOutcome.ANSWERED, has_words=True)


def _call_make(cast: Cast, outcome: CallOutcome, *, has_words: bool = False) -> Call:
    ended, household = now(), cast.anna.household
    answered = outcome == CallOutcome.ANSWERED
    call = Call.objects.create(
        household=household,
        device=cast.kitchen,
        started_by=cast.anna.user,
        state=CallState.ENDED,
        outcome=outcome,
        connected_at=ended - timedelta(seconds=LENGTH_S) if answered else None,
        ended_at=ended,
        hung_up_by="caller" if answered else "",
    )
    if has_words:
        for role, name in ((ParticipantRole.CALLER, "Anna"), (ParticipantRole.CALLEE, "Kitchen speaker")):
            _statistics_make(_words_make(call, role, name))
        _copy_make(call)
    return call


def _statistics_make(leg: CallParticipant) -> None:
    """A second in which the caller's sound broke up."""
    for measurer in Measurer:
        is_bad = leg.role == ParticipantRole.CALLER and measurer == Measurer.HUB
        samples = [
            StatsSample(
                packets_received=50,
                packets_lost=30 if is_bad and second == 4 else 0,
                jitter_s=0.004 + 0.002 * (second % 3),
                round_trip_time_s=0.03 + 0.01 * (second % 2),
            )
            for second in range(int(LENGTH_S))
        ]
        begin = leg.call.connected_at or now()
        way = Way(codec="audio/opus", path="host srflx udp")
        samples_store(leg=leg, measurer=measurer, started_at=begin, samples=samples, way=way)


def _words_make(call: Call, role: ParticipantRole, name: str) -> CallParticipant:
    household = call.household
    participant = CallParticipant.objects.create(household=household, call=call, role=role, display_name=name)
    recording = Recording.objects.create(
        household=household,
        call=call,
        participant=participant,
        name=f"{call.public_id}/{role}.ogg",
        state=RecordingState.FINISHED,
        started_at=call.connected_at,
        duration_s=LENGTH_S,
    )
    transcript = Transcript.objects.create(
        household=household, recording=recording, state=TranscriptState.READY, is_demo_model=True
    )
    for who, start_s, end_s, text in SPOKEN:
        if who == role:
            TranscriptSegment.objects.create(
                household=household, transcript=transcript, start_s=start_s, end_s=end_s, text=text
            )
    return participant


def _copy_make(call: Call) -> None:
    name = f"{call.household.public_id}/{call.public_id}/listening.m4a"
    _tone_write(sound_path(name))
    loud = [abs(math.sin(i / 9)) * abs(math.sin(i / 2.3)) for i in range(300)]
    peaks = {"caller": [v if i % 100 < 50 else 0.02 for i, v in enumerate(loud)]}
    peaks["others"] = [v if i % 100 >= 50 else 0.02 for i, v in enumerate(loud)]
    ListeningCopy.objects.create(
        household=call.household, call=call, name=name, duration_s=LENGTH_S, size_bytes=1, peaks=peaks
    )


def _tone_write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(2 * int(8000 * LENGTH_S)))


@pytest.fixture
def announcement(cast: Cast) -> Announcement:
    with scope(household=cast.anna.household):
        household = cast.anna.household
        clip = SpeechClip.objects.create(
            household=household, key="k", text="Dinner.", state=ClipState.WAITING
        )
        row = Announcement.objects.create(
            household=household,
            text="Dinner is ready. Please wash your hands.",
            clip=clip,
            sent_by=cast.anna.user,
            expires_at=now() + timedelta(hours=1),
        )
        for state, name in zip(DeliveryState, ("Kitchen", "Office", "Attic", "Hall", "Cellar"), strict=True):
            device, _ = device_make(cast.anna, f"{name} speaker {state}", name)
            AnnouncementDelivery.objects.create(
                household=household, announcement=row, device=device, state=state, played_at=now()
            )
        return row


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


def test_a_claim_link_survives_signing_in(stranger: Page, cast: Cast) -> None:
    link = _claim_link()
    FakeHub(stranger)
    stranger.goto(link)
    expect(stranger.get_by_role("heading", name="Welcome home")).to_be_visible()
    assert look(stranger, "login") == []
    stranger.get_by_label("E-mail address").fill("anna@example.org")
    stranger.get_by_label("Password").fill(PASSWORD)
    stranger.get_by_role("button", name="Sign in", exact=True).click()
    expect(stranger.get_by_role("heading", name="Is this your device?")).to_be_visible()
    expect(stranger.get_by_text("SN attic")).to_be_visible()
    assert look(stranger, "confirm") == []
    stranger.get_by_label("Another room").check()
    stranger.get_by_label("Name of the room").fill("Attic")
    assert stranger.get_by_label("Name", exact=True).input_value() == "Attic speaker"
    stranger.get_by_role("button", name="Add to Lake House").click()
    expect(stranger.get_by_text("Waiting for the device it gets a certificate")).to_be_visible()
    assert look(stranger, "joining") == []


def test_a_known_device_with_a_new_key_is_let_go_and_added_again(
    page: Page, fake_hub: FakeHub, cast: Cast
) -> None:
    mill = Membership.objects.create(user=cast.anna.user, household=cast.carla.household, role="adult")
    page.goto(_claim_link(cast.kitchen.model, cast.kitchen.serial))
    expect(page.get_by_text("This seems to be Kitchen speaker, with a new key.")).to_be_visible()
    assert look(page, "confirm-known") == []
    # Her other home does not know the device, so there it is another home's.
    page.locator("label.chip", has_text=mill.household.name).click()
    expect(page.get_by_text("This device belongs to another home.")).to_be_visible()
    assert look(page, "add-elsewhere") == []
    page.goto(_claim_link(cast.kitchen.model, cast.kitchen.serial))
    page.get_by_role("button", name="Let Kitchen speaker go and add it again").click()
    expect(page.get_by_role("heading", name="Kitchen speaker")).to_be_visible()


def test_an_image_of_the_code_is_read(page: Page, fake_hub: FakeHub, tmp_path: Path) -> None:
    """The decoder is WebAssembly: allowed on this page, and from this hub alone."""
    picture_of_code = tmp_path / "code.png"
    segno.make(f"http://hub.local{_claim_link()}").save(str(picture_of_code), scale=6)
    page.goto(reverse("devices:add"))
    page.get_by_label("Choose image").set_input_files(picture_of_code)
    expect(page.get_by_role("heading", name="Is this your device?")).to_be_visible()


def test_another_qr_code_is_not_taken(page: Page, fake_hub: FakeHub, tmp_path: Path) -> None:
    picture_of_code = tmp_path / "code.png"
    segno.make("https://example.org/claim#nothing").save(str(picture_of_code), scale=6)
    page.goto(reverse("devices:add"))
    page.get_by_label("Choose image").set_input_files(picture_of_code)
    expect(page.get_by_text("This is another QR code")).to_be_visible()


def test_a_wrong_code_is_refused_in_words(page: Page, fake_hub: FakeHub) -> None:
    page.goto(reverse("devices:add"))
    code = page.get_by_label("Code on the device")
    code.press_sequentially("bcd fg-hjklm")
    assert code.input_value() == "BCDFG-HJKLM"
    page.get_by_role("button", name="Find the device").click()
    expect(page.get_by_text("No device waits with this code.")).to_be_visible()
    assert page.get_by_label("Code on the device").input_value() == "BCDFG-HJKLM"


def _claim_link(model: str = "Test speaker", serial: str = "SN attic") -> str:
    from devices.authorization import authorization_start
    from protocol.enrollment import AuthorizationRequest

    request = AuthorizationRequest(csr_pem=csr_make(), model=model, serial=serial)
    return authorization_start(request=request, base_url="").verification_uri_complete


PAGES = {
    "home": "devices:home",
    "device": "devices:detail",
    "add": "devices:add",
    "call-before": "devices:call",
    "calls": "calls:list",
    "announce": "announcements:compose",
    "announcement": "announcements:detail",
    "people": "people:list",
    "settings": "households:settings",
    "status": "status",
    "account": "households:account",
    "email": "households:account-email",
    "password": "account_change_password",
    "sign-out": "account_logout",
    "error": "calls:detail",
}


def test_a_device_of_another_maker_gets_an_address_and_a_token(
    page: Page, fake_hub: FakeHub, cast: Cast
) -> None:
    page.goto(reverse("devices:add"))
    page.get_by_role("link", name="Add a device of another maker").click()
    assert look(page, "foreign-add") == []
    page.get_by_label("Name", exact=True).fill("Front door")
    page.locator("label.chip", has_text="Hall").click()
    page.get_by_role("button", name="Add to Lake House").click()
    expect(page.get_by_text("Waiting for the device to connect")).to_be_visible()
    page.get_by_role("button", name="Show its token").click()
    expect(page.locator("#device-token")).to_contain_text("hld_")
    expect(page.locator("#whip-url")).to_contain_text("/api/v1/whip")
    assert look(page, "foreign-joining") == []
    device_id = UUID(page.url.split("/")[-3])
    page.goto(reverse("devices:detail", args=[device_id]))
    expect(page.locator("#device-token")).to_have_count(0)  # it was shown once
    assert look(page, "foreign-device") == []
    page.get_by_role("button", name="Make a new token").click()
    page.get_by_role("button", name="Make it").click()
    expect(page.locator("#device-token")).to_contain_text("hld_")
    with scope(household=cast.anna.household):
        DevicePresence.objects.filter(device__public_id=device_id).update(is_online=True, last_seen_at=now())
    page.goto(reverse("devices:joining", args=[device_id]))
    expect(page.get_by_role("link", name="Call it")).to_be_visible()
    assert look(page, "foreign-online") == []
    page.goto("/")
    card = page.locator(".device-card", has_text="Front door")
    expect(card.get_by_role("link", name="Call", exact=True)).to_be_visible()
    expect(card.get_by_role("link", name="Announce")).to_have_count(0)


@pytest.fixture
def two_hosts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """For the status page: media workers on two computers, and what failed earlier."""
    workers = [
        Worker(worker_id="1", host="kitchen-pi", leg_count=2, call_ids=("a",)),
        Worker(worker_id="2", host="kitchen-pi"),
        Worker(worker_id="3", host="attic-with-a-long-name.example.net", is_draining=True),
    ]
    monkeypatch.setattr("config.status.worker_list", lambda: workers)
    for hours in (2, 5):
        failure_note(part=MEDIA_WORKER, host="kitchen-pi", at=now() - timedelta(hours=hours))
    failure_note(part=MEDIA_WORKER, host=workers[-1].host, at=now() - timedelta(hours=1), is_lost=True)
    yield
    redis_get().delete("failures")


@pytest.mark.usefixtures("two_hosts")
@pytest.mark.parametrize("name", PAGES)
def test_each_page_of_a_home_looks_right(
    page: Page, fake_hub: FakeHub, call: Call, announcement: Announcement, name: str
) -> None:
    ids = {
        "device": call.device.public_id,
        "call-before": call.device.public_id,
        "announcement": announcement.public_id,
        "error": UUID("00000000-0000-4000-8000-000000000000"),
    }
    page.goto(reverse(PAGES[name], args=[ids[name]] if name in ids else []))
    page.wait_for_function("() => document.fonts.status === 'loaded'")
    fake_hub.wait_for("hello")
    assert look(page, name) == []


def test_owners_read_what_was_done_and_narrow_it_down(
    page: Page, fake_hub: FakeHub, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = now() - timedelta(days=3)
    for number in range(60):
        monkeypatch.setattr("households.audit.now", lambda at=begun + timedelta(hours=number): at)
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
        "Anna",
        "Kitchen speaker",
        "Anna",
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
    expect(page.get_by_text("Good for 7 of 9 seconds. Anna's sound broke up around 0:04")).to_be_visible()
    expect(page.get_by_text("Sound that got lost (packet loss)")).to_be_hidden()
    page.get_by_text("How the connection was").click()
    expect(page.get_by_text("Anna: at most 23 %")).to_be_visible()
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
    expect(page.get_by_text("Waiting for a speech model.")).to_be_hidden(timeout=2_500)


def test_presence_changes_while_somebody_looks(page: Page, fake_hub: FakeHub, cast: Cast) -> None:
    page.goto("/")
    button = page.locator(".call-button")
    expect(button).to_have_attribute("aria-disabled", "true")
    expect(page.get_by_text("1 device, 0 online")).to_be_visible()
    fake_hub.wait_for("hello")
    fake_hub.say("presence", device_id=str(cast.kitchen.public_id), is_online=True)
    expect(page.get_by_text("1 device, all online")).to_be_visible()
    expect(button).to_have_attribute("aria-disabled", "false")


def test_who_is_in_a_call_changes_while_somebody_looks(page: Page, fake_hub: FakeHub, cast: Cast) -> None:
    with scope(household=cast.anna.household):
        DevicePresence.objects.filter(device=cast.kitchen).update(is_online=True, last_seen_at=now())
    page.goto("/")
    fake_hub.wait_for("hello")
    call_id, device_id = str(uuid4()), str(cast.kitchen.public_id)
    fake_hub.say("call_state", call_id=call_id, state="ringing", device_id=device_id)
    expect(page.get_by_text("In a call")).to_be_visible()
    button, usual = page.locator(".call-button"), reverse("devices:call", args=[device_id]) + "?start=1"
    expect(button).to_have_attribute("href", usual)  # another member's
    own = {"call_id": call_id, "device_id": device_id, "caller_id": str(cast.anna.user.public_id)}
    fake_hub.say("call_state", **own, state="connected")
    expect(button).to_have_text("Go to the call")
    expect(button).to_have_attribute("href", reverse("devices:call", args=[device_id]))
    fake_hub.say("presence", device_id=device_id, is_online=False)
    expect(button).to_have_attribute("aria-disabled", "false")
    fake_hub.say("presence", device_id=device_id, is_online=True)
    assert look(page, "home-in-call") == []
    fake_hub.say("call_end", call_id=call_id, outcome="answered", duration_s=3)
    expect(page.get_by_text("Online", exact=True)).to_be_visible()
    expect(button).to_have_text("Call")
    expect(button).to_have_attribute("href", usual)


def test_a_broken_connection_is_shown_and_mended(page: Page, fake_hub: FakeHub, cast: Cast) -> None:
    page.goto("/")
    fake_hub.wait_for("hello")
    fake_hub.leave()
    expect(page.get_by_text("Reconnecting…")).to_be_visible()
    picture(page, "reconnecting")
    fake_hub.come_back()
    expect(page.get_by_text("Reconnecting…")).to_be_hidden(timeout=15_000)


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
