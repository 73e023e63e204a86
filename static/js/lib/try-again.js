// <try-again data-seconds="161">Try again in 3 minutes.</try-again>: counts a wait down, and holds its button until then.

import { clock } from "./time.js";

const TICK_MS = 250;
const NOW = "You can try again now.";

class TryAgain extends HTMLElement {
  #endsAt = 0;
  #timer = 0;
  #held = [];
  #spoken = document.createElement("span"); // a screen reader hears how long it takes, and when it is over
  #shown = document.createElement("span");

  connectedCallback() {
    if (!this.#endsAt) this.#begin();
    if (!this.contains(this.#shown)) return; // it was another account's
    this.#hold();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.#tick();
  }

  disconnectedCallback() {
    this.#release();
  }

  #begin() {
    this.#endsAt = Date.now() + Number(this.dataset.seconds) * 1000;
    this.#spoken.className = "visually-hidden";
    this.#spoken.textContent = this.textContent;
    this.#shown.className = "tabular";
    this.#shown.setAttribute("aria-hidden", "true");
    this.replaceChildren(this.#spoken, this.#shown);
  }

  #hold() {
    const own = this.closest("form");
    const forms = own ? [own] : [...document.querySelectorAll("form[data-tries]")];
    const buttons = forms.flatMap((form) => [...form.querySelectorAll('button[type="submit"]')]);
    this.#held = [...buttons, ...document.querySelectorAll("a[data-waits]")];
    for (const element of this.#held) element.setAttribute(element.matches("a") ? "aria-disabled" : "disabled", "true");
    // Another account has tries of its own.
    own?.elements.login?.addEventListener("input", () => this.#dismiss(), { once: true });
  }

  #dismiss() {
    this.#release();
    this.replaceChildren();
  }

  #release() {
    clearInterval(this.#timer);
    for (const element of this.#held) element.removeAttribute(element.matches("a") ? "aria-disabled" : "disabled");
    this.#held = [];
  }

  #tick() {
    const leftS = Math.ceil((this.#endsAt - Date.now()) / 1000);
    this.#shown.textContent = leftS > 0 ? `Try again in ${clock(leftS)}` : NOW;
    if (leftS > 0) return;
    this.#spoken.textContent = NOW;
    this.#release();
  }
}

customElements.define("try-again", TryAgain);
