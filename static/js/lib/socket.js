// One WebSocket to the hub for the whole page: hello, requests by id, pings, and back again after a break.

const PING_EVERY_MS = 15_000;
const PONG_WITHIN_MS = 8_000;
const REPLY_WITHIN_MS = 15_000;
const RETRY_MS = [300, 1_000, 2_000, 4_000, 8_000];
const SIGNED_OUT_CODES = [4401, 4403];

/** A refusal by the hub, or an answer that never came. `message` is in words for the person. */
export class HubError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/**
 * Events: each message under its type (`detail` is the message), "ready" (hello was answered, `detail.again`
 * says that it is not the first time), "stale" (the connection is gone), "signed-out".
 */
class HubSocket extends EventTarget {
  #socket = null;
  #pending = new Map();
  #tries = 0;
  #lastId = 0;
  #timers = { ping: 0, pong: 0, retry: 0 };
  #stopped = true;
  helloAck = null;
  isReady = false;
  #wasReady = false;

  start() {
    if (!this.#stopped) return;
    this.#stopped = false;
    addEventListener("online", () => this.#retryNow());
    addEventListener("pageshow", (event) => event.persisted && this.#retryNow());
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.#look());
    this.#connect();
  }

  /** Resolves with hello_ack, at once or when the connection is back. */
  ready() {
    if (this.isReady) return Promise.resolve(this.helloAck);
    return new Promise((resolve) => this.addEventListener("ready", () => resolve(this.helloAck), { once: true }));
  }

  /** Returns false when there is no connection: whoever must be heard listens for "ready" and sends again. */
  send(message) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  /** Sends with an id and resolves with the answer. Rejects with HubError. */
  request(message, { timeoutMs = REPLY_WITHIN_MS } = {}) {
    const id = `${Date.now().toString(36)}-${++this.#lastId}`;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(new HubError("timeout", "The hub did not answer in time. Please try again."));
      }, timeoutMs);
      this.#pending.set(id, { resolve, reject, timer });
      if (!this.send({ ...message, id })) {
        this.#settle(id, (entry) => entry.reject(new HubError("timeout", "The hub can't be reached right now.")));
      }
    });
  }

  #connect() {
    clearTimeout(this.#timers.retry);
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/ws/hub/`);
    this.#socket = socket;
    socket.addEventListener("open", () => this.#hello(socket));
    socket.addEventListener("message", (event) => socket === this.#socket && this.#receive(event.data));
    socket.addEventListener("close", (event) => socket === this.#socket && this.#lost(event.code));
  }

  async #hello(socket) {
    try {
      const helloAck = await this.request({ type: "hello", version: 1 });
      if (socket !== this.#socket) return;
      this.helloAck = helloAck;
      this.isReady = true;
      this.#tries = 0;
      this.#schedulePing();
      const again = this.#wasReady;
      this.#wasReady = true;
      this.#tell("ready", { again });
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
        failed ? entry.reject(new HubError(message.code, message.message)) : entry.resolve(message),
      );
    }
    this.#tell(message.type, message);
  }

  #settle(id, how) {
    const entry = this.#pending.get(id);
    if (!entry) return;
    clearTimeout(entry.timer);
    this.#pending.delete(id);
    how(entry);
  }

  #lost(code) {
    clearTimeout(this.#timers.ping);
    clearTimeout(this.#timers.pong);
    this.isReady = false;
    for (const id of [...this.#pending.keys()]) {
      this.#settle(id, (entry) => entry.reject(new HubError("timeout", "The connection to the hub broke.")));
    }
    if (SIGNED_OUT_CODES.includes(code)) {
      this.#stopped = true;
      this.#tell("signed-out", {});
      return;
    }
    this.#tell("stale", {});
    const wait = RETRY_MS[Math.min(this.#tries++, RETRY_MS.length - 1)];
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
    this.#timers.pong = setTimeout(() => this.#drop(), PONG_WITHIN_MS);
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
