// One call: invitation, connections through the hub, repair, end. No page elements in here.

import { Peer, now_s } from "./peer.js";
import { QualityReport } from "./quality-report.js";
import { LOST_FOR_GOOD, Renewal } from "./renewal.js";
import { inviteReturning } from "./returning.js";
import { HubError } from "./socket.js";

const LOOK_EVERY_MS = 250;
const STATS_EVERY_MS = 1_000;
const OLD_STAYS_MS = 1_000; // the other end may still listen at the worker that this one has left
const HUB_WITHIN_MS = 60_000; // whoever pressed Call a minute ago may have gone
const FAILURE_SAID_MS = 4_000; // to be read
const END_KEPT_MS = 3_600_000; // a hub that is away for longer has ended the call itself
const OWN_ROLE = "caller"; // pages call, devices are called
// The hub may answer otherwise in a moment. All other refusals are final.
const PASSING = ["timeout", "no_worker", "internal", "too_many"];

/**
 * Events: "state" (detail: {state, isHubAway, failure}), "incoming", "remote" and "gone" (detail: MediaStream; of a
 * connection that may take over, that has taken over, that came to nothing), "ended" (detail: {outcome, reason,
 * durationS}), "settled" (detail: {durationS}, of the hub, which knows now that this page ended the call). How long the
 * call was is for the hub to say.
 * States: unreached (the hub, so that nobody was asked yet), returning (the hub is there, but not yet all of it), calling,
 * ringing, connecting, connected, reconnecting, waiting (for the other end to come back), ended.
 */
export class CallSession extends EventTarget {
  #hub;
  #deviceId;
  #peer = null;
  #next = null;
  #leaving = new Set();
  #renewal = null;
  #rowState = "calling";
  #isOtherAway = false;
  #wasConnected = false;
  #isTending = false;
  #waiting = [];
  #wasUnreached = false;
  #timers = [];
  #failureTimer = 0;
  #shown = "";
  #stops = new AbortController();
  #report;
  callId = null;
  state = "idle";
  isHubAway = false;
  failure = ""; // of the hub itself: "now", until the sound is back; then "over" for a while
  connectedAt = null;
  microphone = null;
  isMuted = false;
  isEndKnown = true; // by the hub

  constructor(hub, deviceId) {
    super();
    this.#hub = hub;
    this.#deviceId = deviceId;
    this.#report = new QualityReport(hub);
  }

  /** Takes an open microphone, invites the device and keeps a connection from then on. Throws HubError. */
  async start(microphone) {
    this.microphone = microphone;
    this.#listen();
    this.#show();
    try {
      if (!this.#hub.isReady) this.#hub.doubt();
      await this.#hub.ready({ timeoutMs: HUB_WITHIN_MS });
      if (this.state === "ended") return;
      const reply = await this.#invite();
      if (!reply) return;
      this.callId = reply.call_id;
      if (this.state === "ended") {
        this.#sayEnd(null); // it was cancelled before the hub had answered
        return;
      }
      this.#take(reply);
      for (const message of this.#waiting.splice(0)) this.#hear(message);
    } catch (error) {
      this.#fail(error);
      throw error;
    }
    if (this.state === "ended") return;
    this.#renewal = new Renewal(now_s());
    this.#timers.push(setInterval(() => this.#tend(), LOOK_EVERY_MS));
    this.#timers.push(setInterval(() => this.#measure(), STATS_EVERY_MS));
    await this.#tend();
  }

  // Null where it was cancelled before anybody was asked.
  #invite() {
    const invite = () => this.#hub.request({ type: "call_invite", device_id: this.#deviceId });
    if (!this.#wasUnreached) return invite();
    return inviteReturning(this.#hub, this.#deviceId, invite, this.#stops.signal);
  }

  /** Seconds until this end gives the call up; null while its connection works. */
  get left_s() {
    return this.#renewal?.left_s(now_s()) ?? null;
  }

  setMuted(isMuted) {
    this.isMuted = isMuted;
    for (const track of this.microphone?.getAudioTracks() ?? []) track.enabled = !isMuted;
  }

  hangUp(reason = null) {
    if (this.state === "ended") return;
    this.#sayEnd(reason);
    const answered = this.connectedAt !== null;
    this.#end({ outcome: answered ? "answered" : "cancelled", reason });
  }

  // --- what the hub and the browser say --------------------------------------------------------

  #listen() {
    const signal = this.#stops.signal;
    for (const type of ["call_state", "call_end", "call_moved", "ice_candidate"]) {
      this.#hub.addEventListener(type, ({ detail }) => this.#hear(detail), { signal });
    }
    for (const type of ["stale", "ready"]) this.#hub.addEventListener(type, () => this.#show(), { signal });
    addEventListener("online", () => this.#tend(), { signal });
    document.addEventListener("visibilitychange", () => this.#tend(), { signal });
    let type = navigator.connection?.type;
    navigator.connection?.addEventListener(
      "change",
      () => {
        // It also tells every new guess about the speed.
        if (navigator.connection.type !== type) this.#askAnew();
        type = navigator.connection.type;
      },
      { signal },
    );
  }

  #hear(message) {
    // Words about this call may overtake the answer that names it.
    if (!this.callId) {
      this.#waiting.push(message);
      return;
    }
    if (message.call_id !== this.callId || this.state === "ended") return;
    if (message.type === "call_state") this.#take(message);
    else if (message.type === "call_moved") this.#move(message);
    else if (message.type === "ice_candidate") this.#takeCandidate(message);
    else this.#end({ outcome: message.outcome, reason: message.reason, durationS: message.duration_s });
  }

  #take({ state, outcome, reason, duration_s: durationS, away = [] }) {
    if (state === "ended") {
      this.#end({ outcome, reason, durationS });
      return;
    }
    // The time on this clock, not the hub's: the two may differ.
    if (state === "connected") this.connectedAt ??= Date.now();
    this.#rowState = state;
    this.#isOtherAway = away.some((role) => role !== OWN_ROLE);
    if (away.includes(OWN_ROLE)) this.#renewal?.unheard(now_s());
    this.#show();
  }

  #takeCandidate({ candidate, sdpMid, sdpMLineIndex }) {
    (this.#next ?? this.#peer)?.addCandidate(candidate ? { candidate, sdpMid, sdpMLineIndex } : null);
  }

  #move({ is_failure: isFailure }) {
    if (isFailure && this.#wasConnected) this.#setFailure("now");
    this.#askAnew();
  }

  #setFailure(failure) {
    clearTimeout(this.#failureTimer);
    if (failure === "over") this.#failureTimer = setTimeout(() => this.#setFailure(""), FAILURE_SAID_MS);
    this.failure = failure;
    this.#show();
  }

  // --- connections -----------------------------------------------------------------------------

  #askAnew() {
    this.#renewal?.ask();
    this.#tend();
  }

  async #tend() {
    if (this.#isTending || this.state === "ended" || !this.#renewal) return;
    this.#isTending = true;
    try {
      await Promise.all([this.#peer?.look(), this.#next?.look()]);
      if (this.state === "ended") return;
      const acts = {
        offer: () => this.#offer(),
        change: () => this.#change(),
        drop: () => this.#drop(),
        end: () => this.hangUp(LOST_FOR_GOOD),
      };
      acts[this.#renewal.step(this.#look())]?.();
      this.#show();
    } finally {
      this.#isTending = false;
    }
  }

  #look() {
    const next = this.#next;
    return {
      now_s: now_s(),
      silent_s: this.#peer?.silent_s ?? null,
      speaks: this.#peer?.speaks ?? false,
      attempt: next ? (next.isConnected ? "connected" : "connecting") : "none",
      attempt_hears: next?.hears ?? false,
    };
  }

  #offer() {
    if (this.#wasConnected && this.#renewal.isLost) this.#hub.doubt();
    const peer = new Peer(this.microphone);
    this.#next = peer;
    peer.addEventListener("track", ({ detail }) => this.#emit("incoming", detail));
    peer.addEventListener("candidate", ({ detail }) => peer === this.#next && this.#sendCandidate(detail));
    peer.addEventListener("trouble", ({ detail }) => this.#changed(peer, detail));
    const ask = (message) => this.#hub.request({ ...message, call_id: this.callId });
    peer.connect(ask).catch((error) => this.#refused(peer, error));
  }

  #changed(peer, state) {
    if (peer === this.#next && (state === "failed" || state === "closed")) this.#refused(peer, null);
    // Packets may still come while ours are lost.
    if (peer === this.#peer && state === "disconnected") this.#renewal.unheard(now_s());
    this.#tend();
  }

  #refused(peer, error) {
    if (peer !== this.#next || this.state === "ended") return;
    if (error instanceof HubError && !PASSING.includes(error.code)) {
      this.#fail(error);
      return;
    }
    this.#drop();
    this.#renewal.failed(now_s());
  }

  // Make before break: sound flows on the new connection, so the old one is not heard any more.
  #change() {
    const old = this.#peer;
    this.#peer = this.#next;
    this.#next = null;
    this.#wasConnected = true;
    this.#hub.calm();
    if (this.failure) this.#setFailure("over");
    if (this.#peer.stream) this.#emit("remote", this.#peer.stream);
    if (old) this.#leave(old);
  }

  #leave(old) {
    this.#leaving.add(old);
    setTimeout(() => {
      old.close();
      this.#leaving.delete(old);
    }, OLD_STAYS_MS);
  }

  #drop() {
    const peer = this.#next;
    this.#next = null;
    peer?.close();
    if (peer?.stream) this.#emit("gone", peer.stream);
  }

  #sendCandidate(candidate) {
    const { candidate: text = null, sdpMid, sdpMLineIndex, usernameFragment } = candidate?.toJSON() ?? {};
    this.#hub.send({
      type: "ice_candidate",
      call_id: this.callId,
      candidate: text || null,
      sdpMid,
      sdpMLineIndex,
      usernameFragment,
    });
  }

  async #measure() {
    if (this.state === "connected" && this.#peer) await this.#report.take(this.#peer, this.callId);
  }

  // --- end -------------------------------------------------------------------------------------

  #fail(error) {
    if (this.state === "ended") return;
    const reason = error instanceof HubError ? error.message : "The connection could not be made.";
    if (this.callId && error.code !== "call_ended") this.#sayEnd(reason);
    const outcomes = { device_offline: "offline", device_busy: "busy" };
    const outcome = outcomes[error.code] ?? (this.connectedAt === null ? "failed" : "answered");
    this.#end({ outcome, reason, otherCallId: error.callId });
  }

  // Said until the hub has heard it. A page that is being left has one try, and the worker notices the rest.
  async #sayEnd(reason) {
    if (!this.callId) return;
    const since_s = now_s();
    const message = {
      type: "call_end",
      call_id: this.callId,
      ...(reason && { reason }),
      get ago_s() {
        return now_s() - since_s; // whenever it is said again
      },
    };
    const answer = this.#hub.request(message, { timeoutMs: END_KEPT_MS });
    this.#hub.doubt(); // whoever hangs up wants to know soon whether anybody hears it
    this.isEndKnown = false;
    const { duration_s: durationS } = await answer.catch(() => ({}));
    this.isEndKnown = true;
    this.#emit("settled", { durationS });
  }

  #end(detail) {
    if (this.state === "ended") return;
    this.#stops.abort();
    for (const timer of this.#timers) clearInterval(timer);
    this.#hub.calm();
    this.#drop();
    for (const peer of [this.#peer, ...this.#leaving]) peer?.close();
    for (const track of this.microphone?.getTracks() ?? []) track.stop();
    this.#setState("ended");
    this.#emit("ended", detail);
  }

  #show() {
    let state = this.#rowState;
    if (!this.callId && this.#hub.isAway) state = "unreached";
    else if (!this.callId && this.#wasUnreached) state = "returning";
    else if (state === "connected" && this.#wasConnected && this.#renewal.isLost) state = "reconnecting";
    else if (state === "connected" && this.#isOtherAway) state = "waiting";
    this.#setState(state);
  }

  #setState(state) {
    const isHubAway = this.callId !== null && !this.#hub.isReady;
    const shown = [state, isHubAway, this.failure].join();
    if (shown === this.#shown || this.state === "ended") return;
    this.#wasUnreached ||= state === "unreached";
    if (this.state === "connected" && state !== "connected") this.#report.pause(this.callId);
    this.#shown = shown;
    this.state = state;
    this.isHubAway = isHubAway;
    this.#emit("state", { state, isHubAway, failure: this.failure });
  }

  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
