"""When a person pressed what, and when the page showed it: noted by the page itself, to the millisecond."""

import json
from typing import Final

from playwright.sync_api import BrowserContext, Page

WITHIN_MS: Final = 90_000
_KEY: Final = "benchmark.marks"

# Shown: the first moment at which something matches.
_SHOWN: Final = {
    "online": "#joining .joined",
    "connected": 'call-view[data-state="connected"]',
    "fetched": '#deliveries li[data-state="fetched"], #deliveries li[data-state="played"]',
    "played": '#deliveries li[data-state="played"]',
    "transcript": '#transcript[data-state="ready"]',
}
_PRESSED: Final = {
    "confirm": 'form[action$="/devices/confirm/"] button[type="submit"]',
    "call": '[data-act="start"]',
    "hang_up": '[data-act="end"]',
    "send": '#announce-form button[type="submit"]',
}

# One remote track, as the decoder gives it out; the device's microphone is never quite silent.
_SCRIPT: Final = """([key, shown, pressed]) => {
  const note = (name) => {
    const marks = JSON.parse(sessionStorage.getItem(key) ?? "{}");
    marks[name] ??= Date.now();
    sessionStorage.setItem(key, JSON.stringify(marks));
  };
  addEventListener("click", ({ target }) => {
    for (const [name, selector] of Object.entries(pressed)) if (target.closest?.(selector)) note(name);
  }, true);
  const look = () => {
    for (const [name, selector] of Object.entries(shown)) if (document.querySelector(selector)) note(name);
  };
  new MutationObserver(look).observe(document, { subtree: true, childList: true, attributeFilter: ["data-state"] });
  const listen = async (track) => {
    const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const samples = new Float32Array(value.numberOfFrames);
      value.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
      value.close();
      if (samples.some((sample) => Math.abs(sample) > 0.0005)) break;
    }
    note("heard");
    await reader.cancel();
    track.stop();
  };
  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(...words) {
      super(...words);
      this.addEventListener("track", ({ track }) => listen(track.clone()));
    }
  };
}"""


def marks_install(context: BrowserContext) -> None:
    """On every page of this context, from its next navigation on."""
    context.add_init_script(f"({_SCRIPT})({json.dumps([_KEY, _SHOWN, _PRESSED])})")


def marks_clear(page: Page) -> None:
    page.evaluate("key => sessionStorage.removeItem(key)", _KEY)


def marks_wait(page: Page, *names: str) -> dict[str, float]:
    """All marks, in seconds of Unix time, as soon as `names` are there. Raises playwright's TimeoutError."""
    found = page.wait_for_function(
        """([key, names]) => {
          const marks = JSON.parse(sessionStorage.getItem(key) ?? "{}");
          return names.every((name) => name in marks) && marks;
        }""",
        arg=[_KEY, list(names)],
        timeout=WITHIN_MS,
    ).json_value()
    return {name: at_ms / 1000 for name, at_ms in found.items()}
