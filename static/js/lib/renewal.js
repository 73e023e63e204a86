// When a connection is made anew inside a call, and when it takes over from the old one. Pure: looks go in, steps come
// out. agent/renewal.py is the same for a device, and a test holds the two together.

export const LOST_FOR_GOOD = "The connection was lost and did not come back.";

/** Seconds; their reasons stand in agent/renewal.py. */
export const LIMITS = Object.freeze({
  silence_s: 2,
  quiet_s: 4,
  attempt_s: 8,
  handover_s: 10,
  give_up_s: 45,
  settled_s: 3,
  backoff_base_s: 0.3,
  backoff_max_s: 2,
});

/**
 * `step` takes {now_s, silent_s, speaks, attempt, attempt_hears} and says "wait", "offer", "change", "drop" or "end".
 * `silent_s`: since the last packet of the connection in use, null without one; `attempt`: none, connecting, connected.
 */
export class Renewal {
  #limits;
  #chance;
  #tries = 0;
  #lostSince;
  #isAsked = false;
  #isStale = false;
  #notBefore;
  #offeredAt;
  #changedAt;
  #connectedAt = null;

  constructor(now_s, { limits = LIMITS, chance = Math.random } = {}) {
    this.#limits = limits;
    this.#chance = chance;
    this.#lostSince = this.#notBefore = this.#offeredAt = this.#changedAt = now_s;
  }

  get isLost() {
    return this.#lostSince !== null;
  }

  /** Seconds until it is given up; null while it is not lost. */
  left_s(now_s) {
    return this.isLost ? Math.max(0, this.#lostSince + this.#limits.give_up_s - now_s) : null;
  }

  /** A new connection is needed although this one may work: the call moved, or the network changed. */
  ask() {
    this.#isAsked = this.#isStale = true;
    this.#notBefore = 0;
    this.#tries = 0;
  }

  /** The hub says that nothing arrives there. It may say so of the time before the last change. */
  unheard(now_s) {
    if (now_s - Math.max(this.#changedAt, this.#offeredAt) >= this.#limits.settled_s) this.ask();
  }

  /** The attempt came to nothing; the next one waits a little. */
  failed(now_s) {
    const ceiling_s = Math.min(this.#limits.backoff_max_s, this.#limits.backoff_base_s * 2 ** this.#tries);
    this.#tries = Math.min(this.#tries + 1, 32);
    this.#notBefore = now_s + ceiling_s * this.#chance();
  }

  step(look) {
    const isHealthy = this.#judge(look);
    if (this.#lostSince !== null && look.now_s - this.#lostSince >= this.#limits.give_up_s) return "end";
    if (look.attempt === "none") return this.#withoutAttempt(look, isHealthy);
    if (look.attempt === "connected" && !this.#isStale) return this.#withNew(look, isHealthy);
    if (this.#isStale || (isHealthy && !this.#isAsked)) return "drop";
    if (look.now_s - this.#offeredAt >= this.#limits.attempt_s) {
      this.failed(look.now_s);
      return "drop";
    }
    return "wait";
  }

  #judge({ now_s, silent_s, speaks }) {
    const isHealthy = silent_s !== null && silent_s < (speaks ? this.#limits.silence_s : this.#limits.quiet_s);
    if (isHealthy) this.#lostSince = null;
    else this.#lostSince ??= now_s - (silent_s ?? 0);
    return isHealthy;
  }

  #withoutAttempt({ now_s }, isHealthy) {
    this.#connectedAt = null;
    this.#isStale = false;
    if ((isHealthy && !this.#isAsked) || now_s < this.#notBefore) return "wait";
    this.#offeredAt = now_s;
    return "offer";
  }

  #withNew({ now_s, attempt_hears }, isHealthy) {
    this.#connectedAt ??= now_s;
    if (isHealthy && !attempt_hears && now_s - this.#connectedAt < this.#limits.handover_s) return "wait";
    this.#isAsked = false;
    this.#connectedAt = null;
    this.#changedAt = now_s;
    this.#lostSince = null;
    this.#tries = 0;
    return "change";
  }
}
