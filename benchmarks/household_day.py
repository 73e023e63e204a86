"""One round of the main job as a person does it, with its times: claim, call, read, announce, remove."""

import json
import queue
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from playwright.sync_api import Page

from benchmarks.marks import marks_clear, marks_install, marks_wait
from benchmarks.sounds import SpeakerClock, microphone_write
from tests.e2e.house import Device, House, house_open, words

CALLER_SAYS: Final = "Please open the curtains on Thursday."
DEVICE_SAYS: Final = "The soup is ready in the kitchen."
MINUTES: Final = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven")
PLACES: Final = ("kitchen", "garden")
LEAD_S: Final = 3.0  # longer than the call takes to connect, so that no word is lost
DEVICE_LEAD_S: Final = 1.0
CODE_WITHIN_S: Final = 60.0


@dataclass
class Times:
    """Seconds, one of each list per round; words are counted over all calls."""

    claim: list[float] = field(default_factory=list)
    heard_by_caller: list[float] = field(default_factory=list)
    heard_by_device: list[float] = field(default_factory=list)
    transcript: list[float] = field(default_factory=list)
    fetched: list[float] = field(default_factory=list)
    played: list[float] = field(default_factory=list)
    clip: list[float] = field(default_factory=list)
    words_wrong: int = 0
    words_said: int = 0


class Codes:
    """The claim links that an agent prints, one for each time it waits to be claimed."""

    def __init__(self, device: Device) -> None:
        self._links: queue.Queue[str] = queue.Queue()
        self._device = device
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        process = self._device.process
        for line in (process and process.stdout) or ():
            record = json.loads(line) if line.startswith("{") else {}
            if record.get("event") == "waiting":
                self._links.put(record["link"])

    def next_link(self) -> str:
        """Raises queue.Empty when the agent shows none for a minute."""
        return self._links.get(timeout=CODE_WITHIN_S)


@dataclass
class Day:
    """A household with one device and one page. `with day_open(folder) as day`."""

    house: House
    device: Device
    codes: Codes
    page: Page
    microphone_s: float
    times: Times
    device_path: str = ""
    round_count: int = 0

    def claim(self) -> None:
        """Confirm pressed, until the page says that the device is online."""
        page = self.page
        page.goto(self.codes.next_link())
        page.get_by_role("radio", name="Kitchen").check(force=True)
        page.get_by_label("Name", exact=True).fill(self.device.name)
        page.get_by_role("switch", name="May answer calls by itself").check(force=True)
        marks_clear(page)
        page.get_by_role("button", name="Add to").click()
        marks = marks_wait(page, "confirm", "online")
        self.times.claim.append(marks["online"] - marks["confirm"])
        self.device_path = page.url.removeprefix(self.house.url).removesuffix("joining/")
        self.device.wait_until_welcomed()

    def call(self) -> None:
        """Call pressed, until it is connected and sound is there, at either end; then hang up and read."""
        page, speaker = self.page, SpeakerClock(self.device)
        page.goto(f"{self.device_path}call/")
        marks_clear(page)
        page.locator("[data-act=start]").click()
        marks = marks_wait(page, "call", "connected", "heard")
        for _ in range(round(self.microphone_s * 10)):
            page.wait_for_timeout(100)
            speaker.look()
        self.times.heard_by_caller.append(max(marks["connected"], marks["heard"]) - marks["call"])
        heard_at_s = speaker.noise_at_s()
        if heard_at_s is not None:
            self.times.heard_by_device.append(heard_at_s - marks["call"])
        self._hang_up_and_read()

    def _hang_up_and_read(self) -> None:
        page = self.page
        marks_clear(page)
        page.locator("[data-act=end]").click()
        page.get_by_role("link", name="Recording and transcript").click()
        marks = marks_wait(page, "hang_up", "transcript")
        self.times.transcript.append(marks["transcript"] - marks["hang_up"])
        for speaker, said in (("Anna", CALLER_SAYS), (self.device.name, DEVICE_SAYS)):
            turns = page.locator("#transcript .turn").filter(has=page.get_by_role("heading", name=speaker))
            read = " ".join(turns.locator(".sentence span").all_inner_texts())
            self.times.words_wrong += words_wrong(words(said), words(read))
            self.times.words_said += len(words(said))

    def announce(self) -> None:
        """Send pressed, until the page says that the device has it, and that it played."""
        page = self.page
        page.goto("/announce/")
        # Another text each time: a text that was spoken before is not spoken again.
        turn, number = divmod(self.round_count, len(MINUTES))
        text = f"Dinner is in the {PLACES[turn % len(PLACES)]} in {MINUTES[number]} minutes."
        page.get_by_label("What should be said?").fill(text)
        page.get_by_role("checkbox", name="Everywhere").check(force=True)
        marks_clear(page)
        page.get_by_role("button", name="Send").click()
        marks = marks_wait(page, "send", "fetched", "played")
        self.times.fetched.append(marks["fetched"] - marks["send"])
        self.times.played.append(marks["played"] - marks["send"])
        self.round_count += 1
        page.wait_for_function("() => document.querySelector('audio.clip')?.duration > 0")
        self.times.clip.append(page.evaluate("() => document.querySelector('audio.clip').duration"))

    def remove(self) -> None:
        """So that the same device can be claimed again."""
        page = self.page
        page.goto(self.device_path)
        page.get_by_role("button", name="Remove this device").click()
        page.get_by_role("button", name=re.compile("^Remove$")).click()
        page.get_by_text("No device lives here yet").wait_for()


def words_wrong(said: list[str], read: list[str]) -> int:
    """Words replaced, missing or too many: the Levenshtein distance over words."""
    row = list(range(len(read) + 1))
    for i, word in enumerate(said, 1):
        above, row[0] = row[:], i
        for j, other in enumerate(read, 1):
            row[j] = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (word != other))
    return row[-1]


@contextmanager
def day_open(folder: Path, times: Times) -> Iterator[Day]:
    """A hub, its owner, a browser and an agent that waits to be claimed; the times go into `times`."""
    caller_s = microphone_write(folder / "caller.wav", CALLER_SAYS, lead_s=LEAD_S)
    device_s = microphone_write(folder / "device.wav", DEVICE_SAYS, lead_s=DEVICE_LEAD_S)
    with house_open(folder, microphone=folder / "caller.wav") as house:
        device = Device(folder / "kitchen", house.url, folder / "device.wav")
        context = house.context()
        marks_install(context)
        page = context.new_page()
        house.set_up(page)
        device.start()
        try:
            yield Day(house, device, Codes(device), page, max(caller_s, device_s), times)
        finally:
            device.stop()
