// <call-quality>: four bars and a word for each end. The hub judges (protocol/quality.py) and says when it changes.

import { hub } from "./socket.js";

const WORDS = { very_good: "Very good", good: "Good", weak: "Weak", lost: "Lost", unknown: "Unknown" };

class CallQuality extends HTMLElement {
  #stops = new AbortController();
  #ends = new Map();
  #isAway = false;

  /** Shows the ends of this call from now on. */
  follow(call) {
    this.#stops.abort();
    this.#stops = new AbortController();
    const { signal } = this.#stops;
    this.#ends.clear();
    this.#isAway = false;
    this.#draw();
    hub.addEventListener("call_quality", ({ detail }) => call.callId === detail.call_id && this.#take(detail), { signal });
    // Nobody can tell this page that it hears nothing, so it says that itself.
    call.addEventListener("state", ({ detail }) => this.#away(detail.state), { signal });
  }

  #take({ ends }) {
    for (const end of ends) this.#ends.set(end.role, end);
    this.#draw();
  }

  #away(state) {
    if (state === "ended") {
      this.#stops.abort();
      this.#ends.clear();
    }
    this.#isAway = state === "reconnecting";
    this.#draw();
  }

  // What the hub said last of the other end is old news while this one hears nothing.
  #end(role) {
    const end = this.#ends.get(role);
    if (!this.#isAway) return end;
    if (role === "caller") return { bars: 0, quality: "lost" };
    return end && { bars: "", quality: "unknown" };
  }

  #draw() {
    for (const place of this.querySelectorAll("[data-end]")) {
      const end = this.#end(place.dataset.end);
      place.hidden = !end;
      if (!end) continue;
      place.dataset.bars = String(end.bars);
      place.querySelector("[data-word]").textContent = WORDS[end.quality];
    }
    this.hidden = !this.querySelector("[data-end]:not([hidden])");
  }
}

customElements.define("call-quality", CallQuality);
