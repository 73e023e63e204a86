"""A house whose browser and whose device each live in a network of their own, and what each of them hears."""

import itertools
import stat
import time
import wave
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from playwright.sync_api import Page

from protocol.audio import SAMPLE_RATE_HZ
from tests.e2e.house import CHROMIUM, Device, House, house_open
from tests.fakes.network import Home

Samples = npt.NDArray[np.float64]
LOUD: Final = 0.02  # of full scale, root mean square; the tones have 0.3
_WINDOW_S: Final = 0.06
_STEP_S: Final = 0.01
_LOOK_S: Final = 0.02
_STALE_MS: Final = 250
_WAV_HEADER_BYTES: Final = 44

# When a connection last gave out something loud. Concealment falls silent after a tenth of a second.
# `quietMs` is the longest time without anything loud, counted in the sound itself.
_LISTENER: Final = """() => {
  window.loudAt = window.quietMs = 0;
  const listen = async (track) => {
    let quietMs = 0;
    const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const samples = new Float32Array(value.numberOfFrames);
      value.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
      const lastsMs = value.duration / 1000;
      value.close();
      const loud = Math.sqrt(samples.reduce((sum, one) => sum + one * one, 0) / samples.length);
      if (loud > LOUD) window.loudAt = Date.now();
      quietMs = loud > LOUD ? 0 : quietMs + lastsMs;
      window.quietMs = Math.max(window.quietMs, quietMs);
    }
  };
  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(...words) {
      super(...words);
      this.addEventListener("track", ({ track }) => listen(track.clone()));
    }
  };
}"""
LISTEN: Final = f"({_LISTENER.replace('LOUD', str(LOUD))})()"


def tone_write(path: Path, *, hz: float, seconds: float = 2.0) -> Path:
    """A WAV file, 48 kHz mono, that may be played in a loop."""
    at_s = np.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE_HZ, 0, "NONE", ""))
        file.writeframes((14_000 * np.sin(2 * np.pi * hz * at_s)).astype("<i2").tobytes())
    return path


@dataclass
class Talk:
    """One call between `page` and `device`, and what each of them hears."""

    page: Page
    device: Device
    device_path: str
    _played_bytes: int = field(default=_WAV_HEADER_BYTES, init=False)

    def call(self) -> None:
        """Until both ends hear each other."""
        self.page.goto(f"{self.device_path}call/")
        self.page.locator("[data-act=start]").click()
        self.heard_again(since_s=time.time(), within_s=20)
        self.page.locator("call-view[data-state=connected]").wait_for()

    def hang_up(self) -> None:
        self.page.locator("[data-act=end]").click()
        self.page.get_by_role("link", name="Recording and transcript").wait_for()

    def heard_again(self, *, since_s: float, within_s: float) -> float:
        """Unix time at which both ends had heard the other, each after `since_s`. Raises AssertionError."""
        found: dict[str, float] = {}
        while time.time() < since_s + within_s:
            if "page" not in found and self.page.evaluate("() => window.loudAt ?? 0") / 1000 > since_s:
                found["page"] = time.time()
            if "room" not in found and self._room_is_loud(since_s):
                found["room"] = time.time()
            if len(found) == 2:
                return max(found.values())
            self.page.wait_for_timeout(1000 * _LOOK_S)
        raise AssertionError(f"within {within_s} s only this was heard: {sorted(found)}")

    def silent_for(self, *, watch_s: float) -> float:
        """Seconds from now until the last moment at which an end did not hear the other. Raises AssertionError."""
        began_s = time.time()
        last_s = now_s = 0.0
        while now_s < watch_s:
            page_hears = self.page.evaluate("within => Date.now() - window.loudAt < within", _STALE_MS)
            now_s = time.time() - began_s
            if not page_hears or not self._room_is_loud(began_s):
                last_s = now_s
            self.page.wait_for_timeout(1000 * _LOOK_S)
        if last_s > watch_s - 1:
            raise AssertionError(f"the ends do not hear each other after {watch_s} s")
        return last_s

    def listen_anew(self) -> None:
        """From now on `longest_gap_s` and `played` count."""
        self.page.evaluate("() => { window.quietMs = 0; }")
        self._played_bytes = self.device.speaker.stat().st_size

    def played(self) -> Samples:
        """What came out of the speaker since then; full scale is 1."""
        with self.device.speaker.open("rb") as file:
            file.seek(self._played_bytes)
            data = file.read()
        return np.frombuffer(data[: len(data) // 2 * 2], "<i2") / 32_768

    def longest_gap_s(self) -> dict[str, float]:
        """At each end, counted in the sound itself."""
        samples = self.played()
        size = round(_STEP_S * SAMPLE_RATE_HZ)
        steps = samples[: len(samples) // size * size].reshape(-1, size)
        quiet = np.sqrt(np.mean(steps**2, axis=1)) < LOUD
        runs = [len(list(run)) for is_quiet, run in itertools.groupby(quiet) if is_quiet]
        return {
            "page": self.page.evaluate("() => window.quietMs") / 1000,
            "room": _STEP_S * max(runs, default=0),
        }

    def _room_is_loud(self, since_s: float) -> bool:
        """The end of what the speaker plays, all of which is younger than `since_s`."""
        if time.time() - since_s < 2 * _WINDOW_S:
            return False
        size = round(_WINDOW_S * SAMPLE_RATE_HZ) * 2
        with self.device.speaker.open("rb") as file:
            file.seek(0, 2)
            if file.tell() < size + _WAV_HEADER_BYTES:
                return False
            file.seek(-size, 2)
            samples = np.frombuffer(file.read(size), "<i2") / 32_768
        return float(np.sqrt(np.mean(samples**2))) > LOUD

    def state(self) -> str:
        return str(self.page.locator("call-view").get_attribute("data-state"))

    def agent_log(self) -> str:
        return (self.device.folder / "agent.log").read_text()


@dataclass
class FarHouse(Talk):
    """`page_home` and `device_home` are their networks."""

    house: House
    page_home: Home
    device_home: Home

    def describe(self) -> str:
        """What the page shows, and the last lines of both programs: for when something went wrong."""
        age_ms = self.page.evaluate("() => Date.now() - window.loudAt")
        seen = f"{self.state()}, heard {age_ms} ms ago: {self.page.inner_text('body')}"
        return "\n".join([seen, *self.house.hub.so_far()[-100:], *self.agent_log().splitlines()[-60:]])


def _confirm(page: Page, device: Device) -> None:
    # On an address without HTTPS a notice pushes the fields under the bar at the bottom, where no pointer meets them.
    for choice in (
        page.get_by_role("radio", name="Kitchen"),
        page.get_by_role("switch", name="May answer calls"),
    ):
        choice.evaluate("field => field.checked || field.click()")
    page.get_by_label("Name", exact=True).fill(device.name)
    page.get_by_role("button", name="Add to").click()
    page.get_by_role("link", name="Call it").wait_for()
    device.wait_until_welcomed()


@contextmanager
def far_house_open(folder: Path) -> Iterator[FarHouse]:
    with ExitStack() as stack:
        page_home, device_home = stack.enter_context(Home()), stack.enter_context(Home())
        starter = folder / "chromium"
        starter.write_text(f'#!/bin/sh\nexec {" ".join(page_home.inside([CHROMIUM]))} "$@"\n')
        starter.chmod(starter.stat().st_mode | stat.S_IXUSR)
        house = stack.enter_context(
            house_open(
                folder,
                microphone=tone_write(folder / "caller.wav", hz=700),
                arguments=("--host", "0.0.0.0"),
                chromium=str(starter),
                address=page_home.hub,
                loops=True,
            )
        )
        device = Device(
            folder / "kitchen",
            f"http://{device_home.hub}:{house.hub.port}",
            tone_write(folder / "device.wav", hz=1000),
            prefix=tuple(device_home.inside([])),
            loops=True,
        )
        context = house.context()
        context.add_init_script(LISTEN)
        page = context.new_page()
        house.set_up(page)
        device.start()
        stack.callback(device.stop)
        link = device.claim_codes()["link"].replace(device_home.hub, page_home.hub)
        page.goto(link)
        _confirm(page, device)
        path = page.url.removeprefix(house.url).removesuffix("joining/")
        yield FarHouse(page, device, path, house, page_home, device_home)
