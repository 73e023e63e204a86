"""The main job, from the first visit to the announcement that was heard, in Chromium and on real parts."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.house import (
    HEARD_ENERGY,
    PASSWORD,
    Device,
    House,
    house_open,
    is_said,
    likeness,
    say_into,
    words,
    words_in,
)
from tests.operate.hub_process import ROOT, open_to_others

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

CALLER_SAYS = "Remind the neighbour to open the curtains on Thursday."
DEVICE_SAYS = "The soup is ready in the kitchen."
WELCOME = "This speaker belongs to {home} now."
ANNOUNCEMENT = "Lunch is ready in the garden."
PICTURES = ROOT / "test-results" / "main-job"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    microphone = say_into(folder / "caller.wav", CALLER_SAYS, lead_s=6.0)
    with house_open(folder, microphone=microphone) as house:
        yield house


@pytest.fixture
def device(house: House) -> Iterator[Device]:
    microphone = say_into(house.folder / "device.wav", DEVICE_SAYS, lead_s=2.0)
    device = Device(house.folder / "kitchen", house.url, microphone)
    yield device
    device.stop()


def picture(page: Page, name: str) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png")


def test_a_household_claims_calls_reads_and_announces(house: House, device: Device) -> None:
    page = house.context().new_page()
    house.set_up(page)
    picture(page, "1-home-empty")

    device.start()
    house.claim(page, device, room="Kitchen")
    picture(page, "2-claimed")
    says_whose_it_is(device)

    call_and_hang_up(page, device)
    read_the_transcript(page, house)
    announce(page, device, house.folder)
    sign_out_and_in(page, house)
    nothing_is_readable_by_others(house)


def says_whose_it_is(device: Device) -> None:
    """What everybody in the room heard, once it was claimed."""
    heard = device.heard_since(0.0, device.folder / "heard-welcome.wav")
    assert likeness(heard, WELCOME.format(home="Lake House")) > 0.95
    assert likeness(heard, WELCOME.format(home="Mill")) < 0.8  # or nothing were shown by that


def call_and_hang_up(page: Page, device: Device) -> None:
    """Both directions at the same time, a timer, mute, and the end."""
    page.get_by_role("link", name="Call it").click()
    call = page.locator("call-view")
    expect(call).to_have_attribute("data-state", "connected", timeout=20_000)
    began_s = device.played_s()
    device.wait_until_said(since_s=began_s, speech_s=2.0)
    expect(page.locator("[data-part=timer]")).to_have_text(re.compile(r"0:[1-3]\d"), timeout=20_000)
    for end in ("caller", "callee"):
        expect(page.locator(f"[data-end={end}] [data-word]")).to_have_text(re.compile("ood|Weak"))
    picture(page, "3-in-call")
    assert page.evaluate(HEARD_ENERGY) > 0.01
    page.get_by_role("button", name="Mute").click()
    expect(page.locator("[data-act=mute]")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Hang up").click()
    expect(page.get_by_role("link", name="Recording and transcript")).to_be_visible()
    picture(page, "4-call-ended")
    heard = words_in(
        device.heard_since(max(device.welcomed_s, began_s - 2), device.folder / "heard-call.wav")
    )
    assert is_said(CALLER_SAYS, heard), heard


def read_the_transcript(page: Page, house: House) -> None:
    """The history, the recording that plays and seeks, and who said what, without a reload."""
    page.get_by_role("link", name="Recording and transcript").click()
    expect(page.locator("#transcript")).to_have_attribute("data-state", "ready", timeout=60_000)
    turns = page.locator("#transcript .turn")
    said = {
        turn.locator("h3").inner_text(): words(" ".join(turn.locator(".sentence span").all_inner_texts()))
        for turn in turns.all()
    }
    assert set(said) == {"You", device_name()}
    assert is_said(CALLER_SAYS, said["You"]), said
    assert is_said(DEVICE_SAYS, said[device_name()]), said
    expect(page.locator("call-player")).to_be_visible(timeout=30_000)
    sentence = turns.locator(".sentence").last
    start_s = float(sentence.get_attribute("data-start") or "0")
    sentence.click()
    place = "document.querySelector('call-player audio').currentTime"
    page.wait_for_function(f"{place} >= {start_s} && {place} < {start_s} + 5 && {place} > 0")
    picture(page, "5-transcript")
    page.get_by_text("How the connection was").click()
    for chart in page.locator("#connection figure").all():
        expect(chart.locator("li").first).to_contain_text(re.compile(r"You: at most \d"))
        expect(chart.locator("li").last).to_contain_text(re.compile(r"Kitchen speaker: at most \d"))
    expect(page.get_by_text("was connected directly (UDP, Opus)")).to_be_visible()
    picture(page, "5b-connection")
    page.get_by_role("link", name="Calls").first.click()
    expect(page.locator("a.item").first).to_contain_text("Answered")
    picture(page, "6-history")


def device_name() -> str:
    return "Kitchen speaker"


def announce(page: Page, device: Device, folder: Path) -> None:
    """Listen first, send, and see it played; the device's speaker said the words."""
    page.goto("/announce/")
    page.get_by_label("What should be said?").fill(ANNOUNCEMENT)
    page.get_by_role("checkbox", name="Everywhere").check(force=True)
    page.get_by_role("button", name="Listen first").click()
    expect(page.locator("#preview audio")).to_be_visible(timeout=30_000)
    began_s = device.played_s()
    page.get_by_role("button", name="Send").click()
    delivery = page.locator("#deliveries li").first
    expect(delivery).to_have_attribute("data-state", "played", timeout=60_000)
    picture(page, "7-announced")
    heard = words_in(device.heard_since(began_s, folder / "heard-announcement.wav"))
    assert is_said(ANNOUNCEMENT, heard), heard
    page.goto("/announce/")
    expect(page.get_by_text(ANNOUNCEMENT).first).to_be_visible()


def sign_out_and_in(page: Page, house: House) -> None:
    page.goto("/settings/")
    page.get_by_role("link", name="Sign out").or_(page.get_by_role("button", name="Sign out")).first.click()
    page.goto("/")
    expect(page).to_have_url(re.compile("/accounts/login/"))
    page.get_by_label("E-mail address").fill("anna@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page).to_have_url(f"{house.url}/")


def nothing_is_readable_by_others(house: House) -> None:
    """Now that there is an authority, a certificate, a recording, a transcript and a clip."""
    folder = house.hub.data_dir
    assert (folder / "authority" / "ca-key.pem").is_file()
    for kept in ("recordings", "clips"):
        assert any(path.is_file() for path in (folder / kept).rglob("*")), kept
    assert open_to_others(folder) == []
