"""A device of another maker, from its page to the words that it said: GStreamer, Chromium, the whole hub."""

import subprocess
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from protocol.audio import SAMPLE_RATE_HZ
from tests.e2e.house import House, house_open, say_into, words, words_in
from tests.whip.foreign import FILE, SCRIPT, SYSTEM_PYTHON

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

CALLER_SAYS = "Remind the neighbour to open the curtains on Thursday."
DOOR_SAYS = "The soup is ready in the kitchen."
TIMES = 12  # it speaks all the time, called or not


def said_often(path: Path) -> Path:
    say_into(path, DOOR_SAYS, lead_s=1.0)
    with wave.open(str(path), "rb") as once:
        parameters, data = once.getparams(), once.readframes(once.getnframes())
    with wave.open(str(path), "wb") as often:
        often.setparams(parameters)
        often.writeframes(data * TIMES)
    return path


def most_are_said(sentence: str, heard: list[str]) -> bool:
    """A sink that writes a file leaves pauses out, and the demo recogniser errs at what it does not expect."""
    wanted = set(words(sentence))
    return 2 * len(wanted & set(heard)) > len(wanted)


@contextmanager
def connected(url: str, token: str, folder: Path) -> Iterator[Path]:
    """The device; gives the file in which its speaker ends."""
    speaker = folder / "door.raw"
    source = f"filesrc location={said_often(folder / 'door.wav')} ! wavparse ! identity sync=true"
    command = [SYSTEM_PYTHON, str(SCRIPT), "--url", url, "--token", token]
    command += ["--source", source, "--sink", FILE.format(speaker)]
    with (folder / "door.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield speaker
    finally:
        process.terminate()
        process.wait(timeout=20)


def add(page: Page) -> tuple[str, str]:
    """Its address and its token, as the pages show them."""
    page.goto("/devices/add/")
    page.get_by_role("link", name="Add a device of another maker").click()
    page.get_by_label("Name", exact=True).fill("Front door")
    page.get_by_role("button", name="Add to").click()
    page.get_by_role("button", name="Show its token").click()
    return page.locator("#whip-url").inner_text(), page.locator("#device-token").inner_text()


def as_wav(raw: Path) -> Path:
    target = raw.with_suffix(".wav")
    with wave.open(str(target), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE_HZ, 0, "NONE", ""))
        file.writeframes(raw.read_bytes())
    return target


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    microphone = say_into(tmp_path / "caller.wav", CALLER_SAYS, lead_s=6.0)
    with house_open(tmp_path, microphone=microphone) as house:
        yield house


def test_a_device_of_another_maker_is_added_called_and_read(house: House, tmp_path: Path) -> None:
    page = house.context().new_page()
    house.set_up(page)
    url, token = add(page)
    with connected(url, token, tmp_path) as speaker:
        page.get_by_role("link", name="Call it").click()
        expect(page.locator("call-view")).to_have_attribute("data-state", "connected", timeout=20_000)
        page.wait_for_timeout(14_000)
        page.get_by_role("button", name="Hang up").click()
        page.get_by_role("link", name="Recording and transcript").click()
        page.goto(page.url)
        expect(page.locator("#transcript")).to_have_attribute("data-state", "ready", timeout=60_000)
        heard = words_in(as_wav(speaker))
        said = page.locator("#transcript .turn", has=page.get_by_role("heading", name="Front door"))
        assert most_are_said(CALLER_SAYS, heard), heard
        door_said = words(" ".join(said.all_inner_texts()))
        assert most_are_said(DOOR_SAYS, door_said), door_said
        expect(page.locator("call-player")).to_be_visible(timeout=30_000)
        page.goto("/")
        expect(page.get_by_text("Online", exact=True)).to_be_visible()  # and waits for the next call
    expect(page.get_by_text("Offline")).to_be_visible()
    page.goto("/calls/")
    expect(page.locator("a.item").first).to_contain_text("Answered")
