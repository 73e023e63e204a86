// One WebSocket to the hub for the whole page: hello, requests by id, pings, and back again after a break.

const PING_EVERY_MS = 15_000;
const PONG_WITHIN_MS = 8_000;
const REPLY_WITHIN_MS = 15_000;
const SAY_AGAIN_MS = 3_000;
const OPEN_WITHIN_MS = 10_000;
const RETRY_MS = [300, 1_000, 2_000, 4_000, 8_000];
// While a call waits for the hub. The browser's own tries come ever later, long after the network is back.
const HURRY = { openWithinMs: 3_000, pongWithinMs: 2_000, retryMs: 700 };
const BRIEFLY_MS = 2_000;
const SIGNED_OUT_CODES = [4401, 4403];

/** A refusal by the hub, or an answer that never came. `message` is in words for the person. */
export class HubError extends Error {
  constructor(code, message, callId = null) {
    super(message);
    this.code = code;
    this.callId = callId;
  }
}

/**
 * Events: each message under its type (`detail` is the message), "ready" (hello was answered, `detail.again`
 * says that it is not the first time), "stale" (the connection is gone), "signed-out" (`detail`: the hub's last word, its
 * code and message, and whether the page had been welcome before).
 */
class HubSocket extends EventTarget {
  #socket = null;
  #pending = new Map();
  #tries = 0;
  #lastId = 0;
  #name = crypto.getRandomValues(new Uint32Array(2)).join("-"); // so that no other page has the same ids
  #isHurrying = false;
  #timers = { ping: 0, pong: 0, retry: 0, open: 0 };
  #stopped = true;
  helloAck = null;
  isReady = false;
  isAway = false; // it was tried in vain, or lost; not before the first try came to something
  #wasReady = false;
  #lastWord = {};
  #readyAt = Infinity;

  start() {
    if (!this.#stopped) return;
    this.#stopped = false;
    addEventListener("online", () => this.#retryNow());
    addEventListener("pageshow", (event) => event.persisted && this.#retryNow());
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.#look());
    this.#connect();
  }

  /** Resolves with hello_ack, at once or when the connection is back. Rejects with HubError after `timeoutMs`. */
  ready({ timeoutMs = REPLY_WITHIN_MS } = {}) {
    if (this.isReady) return Promise.resolve(this.helloAck);
    return new Promise((resolve, reject) => {
      const late = () => reject(new HubError("timeout", "The hub can't be reached right now."));
      const timer = setTimeout(late, timeoutMs);
      const there = () => {
        clearTimeout(timer);
        resolve(this.helloAck);
      };
      this.addEventListener("ready", there, { once: true });
    });
  }

  /** The sound of a call stopped: is the hub still there? Without an answer soon the connection is made anew. */
  doubt() {
    this.#isHurrying = true;
    if (this.isReady) this.#look();
    else this.#retryNow();
  }

  /** The sound is back. */
  calm() {
    this.#isHurrying = false;
  }

  /** Returns false when there is no connection: whoever must be heard listens for "ready" and sends again. */
  send(message) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  /**
   * Sends with an id and resolves with the answer. Rejects with HubError. The question or its answer may be lost, so it
   * is said again, with the same id, for as long as there is time: only what may be said twice is a request.
   */
  request(message, { timeoutMs = REPLY_WITHIN_MS } = {}) {
    const id = `${this.#name}-${++this.#lastId}`;
    return new Promise((resolve, reject) => {
      const late = () => this.#settle(id, (entry) => entry.reject(new HubError("timeout", this.#whyLate())));
      const say = () => (this.isReady || message.type === "hello") && this.send({ ...message, id });
      const timers = [setTimeout(late, timeoutMs), setInterval(say, SAY_AGAIN_MS)];
      this.#pending.set(id, { type: message.type, resolve, reject, timers, say });
      say();
    });
  }

  #whyLate() {
    return this.isReady ? "The hub did not answer in time. Please try again." : "The hub can't be reached right now.";
  }

  #connect() {
    clearTimeout(this.#timers.retry);
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/ws/hub/`);
    this.#socket = socket;
    clearTimeout(this.#timers.open);
    const withinMs = this.#isHurrying ? HURRY.openWithinMs : OPEN_WITHIN_MS;
    this.#timers.open = setTimeout(() => socket === this.#socket && !this.isReady && this.#drop(), withinMs);
    socket.addEventListener("open", () => this.#hello(socket));
    socket.addEventListener("message", (event) => socket === this.#socket && this.#receive(event.data));
    socket.addEventListener("close", (event) => socket === this.#socket && this.#lost(event.code));
  }

  async #hello(socket) {
    try {
      const helloAck = await this.request({
        type: "hello",
        version: 1,
        household_id: document.body.dataset.household, // this page's, also when another tab shows another home
      });
      if (socket !== this.#socket) return;
      this.helloAck = helloAck;
      this.isReady = true;
      this.#readyAt = Date.now();
      this.isAway = false;
      this.#tries = 0;
      this.#schedulePing();
      const again = this.#wasReady;
      this.#wasReady = true;
      this.#tell("ready", { again });
      for (const entry of this.#pending.values()) entry.say();
    } catch {
      socket.close();
    }
  }

  #receive(text) {
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return;
    }
    clearTimeout(this.#timers.pong);
    if (message.type === "ping") this.send({ type: "pong", ...(message.id && { reply_to: message.id }) });
    if (message.reply_to) {
      const failed = message.type === "error";
      this.#settle(message.reply_to, (entry) =>
        failed ? entry.reject(new HubError(message.code, message.message, message.call_id)) : entry.resolve(message),
      );
    }
    if (message.type === "error") this.#lastWord = { code: message.code, message: message.message };
    this.#tell(message.type, message);
  }

  #settle(id, how) {
    const entry = this.#pending.get(id);
    if (!entry) return;
    clearTimeout(entry.timers[0]);
    clearInterval(entry.timers[1]);
    this.#pending.delete(id);
    how(entry);
  }

  #lost(code) {
    clearTimeout(this.#timers.ping);
    clearTimeout(this.#timers.pong);
    clearTimeout(this.#timers.open); // it was there: nothing that comes later may take it for one that never opened
    this.isReady = false;
    this.isAway = true;
    const isOut = SIGNED_OUT_CODES.includes(code);
    for (const [id, { type }] of [...this.#pending]) {
      // A hello belongs to its socket. Everything else is said again on the next one.
      const words = isOut ? "Please sign in again." : "The connection to the hub broke.";
      if (isOut || type === "hello") this.#settle(id, (entry) => entry.reject(new HubError("not_signed_in", words)));
    }
    if (isOut) {
      this.#stopped = true;
      this.#tell("signed-out", { ...this.#lastWord, wasThere: Date.now() - this.#readyAt > BRIEFLY_MS });
      return;
    }
    this.#tell("stale", {});
    const usual = RETRY_MS[Math.min(this.#tries++, RETRY_MS.length - 1)];
    const wait = this.#isHurrying ? Math.min(usual, HURRY.retryMs) : usual;
    // Spread over half the time, so that a house full of pages does not come back in one instant.
    this.#timers.retry = setTimeout(() => this.#connect(), wait * (0.75 + Math.random() / 2));
  }

  #schedulePing() {
    clearTimeout(this.#timers.ping);
    this.#timers.ping = setTimeout(() => this.#look(), PING_EVERY_MS);
  }

  // Asks for a sign of life. A socket that keeps silent is closed, because the browser may not notice for minutes.
  #look() {
    if (!this.isReady) return this.#retryNow();
    this.send({ type: "ping" });
    clearTimeout(this.#timers.pong);
    const withinMs = this.#isHurrying ? HURRY.pongWithinMs : PONG_WITHIN_MS;
    this.#timers.pong = setTimeout(() => this.#drop(), withinMs);
    this.#schedulePing();
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    this.#lost(0);
  }

  #retryNow() {
    if (this.#stopped || (this.#socket && this.#socket.readyState <= WebSocket.OPEN)) return;
    this.#tries = 0;
    this.#connect();
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

export const hub = new HubSocket();
