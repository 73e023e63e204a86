"""A house for end-to-end tests and benchmarks: the whole hub, a device on its own process, sentences to say.

Everything is real: `manage.py up`, `python -m agent`, Chromium. Only the sound cards are files.
"""

import json
import os
import re
import subprocess
import sys
import time
import wave
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, sync_playwright

from announcements.speech import speak
from protocol.audio import SAMPLE_RATE_HZ
from tests.operate.hub_process import ROOT, HubProcess
from tests.speech.sounds import word_errors
from transcripts.recogniser import transcriber_get

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
PHONE: ViewportSize = {"width": 390, "height": 844}
DESKTOP: ViewportSize = {"width": 1280, "height": 800}
_SPEECH_PEAK = 1000  # of 32,767
_PAUSE_TENTHS = 6  # longer than any pause between two words
PASSWORD = "quiet-hearth-42-lanterns"


def say_into(path: Path, text: str, *, lead_s: float) -> Path:
    """A WAV file, 48 kHz mono: silence, then the demo voice, then a second of silence."""
    lead, tail = np.zeros(round(lead_s * SAMPLE_RATE_HZ), np.int16), np.zeros(SAMPLE_RATE_HZ, np.int16)
    samples = np.concatenate([lead, *speak(text), tail])
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE_HZ, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())
    return path


def words_in(path: Path) -> list[str]:
    """What faster-whisper hears in a sound file."""
    return words(" ".join(segment.text for segment in transcriber_get().transcribe(path, language="en")))


def words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


def is_said(sentence: str, heard: list[str]) -> bool:
    """Whether those were the words, but for one at most: the small recogniser errs now and then.

    tests/media/test_words.py holds it to 5 % over 20 sentences.
    """
    return word_errors(sentence, " ".join(heard)) <= 1


def likeness(path: Path, text: str) -> float:
    """Of the loudness of what was played, from one hundredth of a second to the next, to the demo voice saying `text`.

    1.0: the same. Another name of a home leaves 0.6, where the small recogniser mishears the right one now and then.
    """
    with wave.open(str(path), "rb") as source:
        played = _loudness(np.frombuffer(source.readframes(source.getnframes()), np.int16))
    said = _loudness(np.concatenate([*speak(text)]))
    said -= said.mean()
    best = 0.0
    for start in range(max(0, len(played) - len(said)) + 1):
        part = played[start : start + len(said)]
        part = np.pad(part, (0, len(said) - len(part)))
        part = part - part.mean()
        best = max(best, float(part @ said / (np.linalg.norm(part) * np.linalg.norm(said) + 1e-9)))
    return best


def _loudness(samples: np.ndarray) -> np.ndarray:
    size = SAMPLE_RATE_HZ // 100
    hundredths = samples[: len(samples) // size * size].reshape(-1, size).astype(np.float64)
    loudness: np.ndarray = np.sqrt((hundredths**2).mean(axis=1))
    return loudness


@dataclass
class Device:
    """`python -m agent` with a file for a microphone and a file for a speaker."""

    folder: Path
    hub_url: str
    microphone: Path | None = None
    name: str = "Kitchen speaker"
    prefix: tuple[str, ...] = ()  # what runs it elsewhere
    loops: bool = False
    log: list[str] = field(default_factory=list)
    process: subprocess.Popen[str] | None = None
    welcomed_s: float = 0.0  # where in what it played the sentence ends that says whose it is

    @property
    def speaker(self) -> Path:
        return self.folder / "speaker.wav"

    @property
    def qr_image(self) -> Path:
        return self.folder / "data" / "claim.png"

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        microphone = f"file:{self.microphone}{'?loop' * self.loops}" if self.microphone else "null"
        command = [
            *self.prefix,
            sys.executable,
            "-m",
            "agent",
            "--hub",
            self.hub_url,
            "--data-dir",
            str(self.folder / "data"),
        ]
        command += ["--microphone", microphone, "--speaker", f"file:{self.speaker}"]
        command += ["--model", "Test speaker", "--serial", f"SN {self.name}", "--once-claimed-json"]
        with (self.folder / "agent.log").open("a") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)

    def claim_codes(self) -> dict[str, str]:
        """The JSON line with the link and the typed code that the device shows."""
        if self.process is None or self.process.stdout is None:
            raise RuntimeError("the device was not started")
        for line in self.process.stdout:
            if line.startswith("{"):
                return dict(json.loads(line))
        raise AssertionError("the device showed no code:\n" + (self.folder / "agent.log").read_text())

    def wait_until_welcomed(self, within_s: float = 30.0) -> None:
        """Until it has said whose it is, so that what is heard later is something else. Raises AssertionError."""
        deadline_s = time.monotonic() + within_s
        while "Announcement played" not in self._log_since_claim():
            assert time.monotonic() < deadline_s, "the device did not say whose it is"
            time.sleep(0.2)
        self.welcomed_s = self.played_s()

    def _log_since_claim(self) -> str:
        before, _, since = (self.folder / "agent.log").read_text().rpartition(" belongs to ")
        return since if before else ""

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(timeout=30)
            if self.process.stdout:
                self.process.stdout.close()
            self.process = None

    def heard_since(self, start_s: float, target: Path) -> Path:
        """The part of what its speaker played that begins `start_s` seconds into its file, as a file."""
        with wave.open(str(self.speaker), "rb") as source:
            source.setpos(min(source.getnframes(), round(start_s * SAMPLE_RATE_HZ)))
            data = source.readframes(source.getnframes())
        with wave.open(str(target), "wb") as part:
            part.setparams((1, 2, SAMPLE_RATE_HZ, 0, "NONE", ""))
            part.writeframes(data)
        return target

    def wait_until_said(self, *, since_s: float, speech_s: float, within_s: float = 30.0) -> None:
        """Until its speaker has played so much speech, from `since_s` of its file on, and then a pause.

        Raises AssertionError.
        """
        deadline_s = time.monotonic() + within_s
        while time.monotonic() < deadline_s:
            with wave.open(str(self.heard_since(since_s, self.folder / "so-far.wav")), "rb") as part:
                samples = np.frombuffer(part.readframes(part.getnframes()), np.int16)
            size = SAMPLE_RATE_HZ // 10
            tenths = samples[: len(samples) // size * size].reshape(-1, size).astype(np.int32)
            is_loud = np.abs(tenths).max(axis=1) > _SPEECH_PEAK
            if is_loud.sum() >= 10 * speech_s and not is_loud[-_PAUSE_TENTHS:].any():
                return
            time.sleep(0.2)
        raise AssertionError(f"after {within_s} s only {is_loud.sum() / 10} s of speech were played")

    def played_s(self) -> float:
        if not self.speaker.exists():
            return 0.0
        with wave.open(str(self.speaker), "rb") as source:
            return source.getnframes() / SAMPLE_RATE_HZ


class House:
    """The hub and a browser. `with house_open(folder) as house`."""

    def __init__(
        self, folder: Path, hub: HubProcess, browser: Browser, *, address: str = "localhost"
    ) -> None:
        self.folder, self.hub, self.browser = folder, hub, browser
        self.url = f"http://{address}:{hub.port}"
        self.setup_link = ""

    def context(self, viewport: ViewportSize = PHONE) -> BrowserContext:
        context = self.browser.new_context(viewport=viewport, permissions=["microphone"], base_url=self.url)
        # Synthetic speech is no room: noise suppression would eat it.
        context.add_init_script("localStorage.setItem('hearthline.rawMicrophone', '1')")
        context.add_init_script(KEEP_PEER_CONNECTIONS)
        context.set_default_timeout(30_000)
        return context

    def set_up(self, page: Page) -> None:
        """The first visit: owner and household."""
        page.goto(self.setup_link)
        page.get_by_label("Your name").fill("Anna")
        page.get_by_label("E-mail address").fill("anna@example.org")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_label("Name of your home").fill("Lake House")
        page.get_by_label("I agree that calls").check()
        page.get_by_role("button", name="Create the home").click()
        page.wait_for_url(f"{self.url}/")

    def claim(self, page: Page, device: Device, *, room: str) -> None:
        """Claim the device that shows its link, and wait until it is online."""
        page.goto(device.claim_codes()["link"])
        self.confirm(page, device, room=room)

    def confirm(self, page: Page, device: Device, *, room: str) -> None:
        """The page that asks whether this is the device: room, name, may answer by itself."""
        # A click on what is seen scrolls it out from under the bar of tabs; a forced one on the hidden input does not.
        page.locator("label.chip", has_text=room).click()
        page.get_by_label("Name", exact=True).fill(device.name)
        page.get_by_role("switch", name="May answer calls by itself").check(force=True)
        page.get_by_role("button", name="Add to").click()
        page.get_by_role("link", name="Call it").wait_for()
        device.wait_until_welcomed()


KEEP_PEER_CONNECTIONS = """
window.peers = [];
window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(...args) { super(...args); window.peers.push(this); }
};
"""
HEARD_ENERGY = """async () => {
  let energy = 0;
  for (const peer of window.peers)
    for (const report of (await peer.getStats()).values())
      if (report.type === 'inbound-rtp') energy += report.totalAudioEnergy || 0;
  return energy;
}"""


@contextmanager
def house_open(
    folder: Path,
    *,
    microphone: Path | None = None,
    arguments: tuple[str, ...] = (),
    chromium: str = CHROMIUM,
    address: str = "localhost",
    loops: bool = False,
    environment: Mapping[str, str] | None = None,
) -> Iterator[House]:
    """Start the hub in `folder` and a Chromium whose microphone plays `microphone` once, or all the time."""
    hub = HubProcess(folder / "hub", *arguments, environment=environment)
    flags = [
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        "--autoplay-policy=no-user-gesture-required",
        "--no-sandbox",
        "--disable-background-networking",
        "--disable-gpu",
    ]
    if microphone:
        flags.append(f"--use-file-for-fake-audio-capture={microphone}{'' if loops else '%noloop'}")
    if address != "localhost":
        flags.append(f"--unsafely-treat-insecure-origin-as-secure=http://{address}:{hub.port}")
    try:
        link = hub.until(r">>>  (http://\S+)")[1]
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=flags)
            house = House(folder, hub, browser, address=address)
            house.setup_link = re.sub("127.0.0.1|localhost", address, link)
            yield house
            browser.close()
    finally:
        hub.close()
