// <call-quality>: four bars and a word for each end. The hub judges (protocol/quality.py) and says when it changes.

import { hub } from "./socket.js";

const WORDS = { very_good: "Very good", good: "Good", weak: "Weak", lost: "Lost" };
const LOST = { bars: 0, quality: "lost" };

class CallQuality extends HTMLElement {
  #stops = new AbortController();
  #ends = new Map();
  #isSilent = false;
  #isOtherAway = false;

  /** Shows the ends of this call from now on. */
  follow(call) {
    this.#stops.abort();
    this.#stops = new AbortController();
    const { signal } = this.#stops;
    this.#ends.clear();
    this.#isSilent = this.#isOtherAway = false;
    this.#draw();
    hub.addEventListener("call_quality", ({ detail }) => call.callId === detail.call_id && this.#take(detail), { signal });
    // Nobody can tell this page that it hears nothing, so it says that itself.
    call.addEventListener("state", ({ detail }) => this.#change(detail), { signal });
  }

  #take({ ends }) {
    for (const end of ends) this.#ends.set(end.role, end);
    this.#draw();
  }

  #change({ state, failure }) {
    const isOver = state === "ended";
    if (isOver) {
      this.#stops.abort();
      this.#ends.clear();
    }
    this.#isSilent = !isOver && (state === "reconnecting" || failure === "now");
    this.#isOtherAway = state === "waiting";
    this.#draw();
  }

  // What the hub said last is old news while nothing comes through it, and whose fault that is nobody knows here.
  #shown() {
    if (this.#isSilent) return new Map([["hub", LOST]]);
    const ends = new Map(this.#ends);
    if (this.#isOtherAway && ends.has("callee")) ends.set("callee", LOST);
    return ends;
  }

  #draw() {
    const ends = this.#shown();
    for (const place of this.querySelectorAll("[data-end]")) {
      const end = ends.get(place.dataset.end);
      place.hidden = !end;
      if (!end) continue;
      place.dataset.bars = String(end.bars);
      place.querySelector("[data-word]").textContent = WORDS[end.quality];
    }
    this.hidden = !ends.size;
  }
}

customElements.define("call-quality", CallQuality);
