// One call: microphone, invitation, peer connection through the hub, repair, end. No page elements in here.

import { QualityReport } from "./quality-report.js";
import { HubError } from "./socket.js";

const OFFER_WITHIN_MS = 15_000;
const SILENCE_MS = 3_000;
const GIVE_UP_MS = 30_000;
const WATCH_EVERY_MS = 500;
const STATS_EVERY_MS = 1_000;
const RAW_KEY = "hearthline.rawMicrophone";

/** What the browser's refusal of the microphone means, in words. */
export function microphoneProblem(error) {
  if (!isSecureContext) {
    return "On this address your browser allows no microphone. Open Hearthline over HTTPS, or as localhost.";
  }
  if (error?.name === "NotAllowedError") {
    return "The microphone is blocked for this page. Allow it in the address bar of your browser, then try again.";
  }
  if (error?.name === "NotFoundError") return "No microphone was found. Plug one in and try again.";
  if (error?.name === "NotReadableError") return "Another program holds the microphone. Close it and try again.";
  return "The microphone could not be opened.";
}

/** Opens the microphone. Tests with synthetic speech switch the processing off, because it is made for rooms. */
export function microphoneOpen(deviceId = "") {
  const processed = localStorage.getItem(RAW_KEY) !== "1";
  return navigator.mediaDevices.getUserMedia({
    audio: {
      echoCancellation: processed,
      noiseSuppression: processed,
      autoGainControl: processed,
      channelCount: 1,
      ...(deviceId && { deviceId: { exact: deviceId } }),
    },
  });
}

/**
 * Events: "state" (detail: {state, connectedAt}), "remote" (detail: MediaStream), "ended" (detail: {outcome, reason,
 * durationS}). States: calling, ringing, connecting, connected, reconnecting, ended.
 */
export class CallSession extends EventTarget {
  #hub;
  #deviceId;
  #connection = null;
  #generation = 0;
  #waiting = [];
  #timers = [];
  #stops = new AbortController();
  #packets = { count: 0, at: 0 };
  #lostAt = 0;
  #offeredAt = 0;
  #report;
  callId = null;
  state = "idle";
  connectedAt = null;
  microphone = null;
  isMuted = false;

  constructor(hub, deviceId) {
    super();
    this.#hub = hub;
    this.#deviceId = deviceId;
    this.#report = new QualityReport(hub);
  }

  /** Takes an open microphone, invites the device and makes the first offer. Throws HubError. */
  async start(microphone) {
    this.microphone = microphone;
    this.#setState("calling");
    try {
      await this.#hub.ready();
      this.#listen();
      const reply = await this.#hub.request({ type: "call_invite", device_id: this.#deviceId });
      this.callId = reply.call_id;
      this.#take(reply);
      for (const message of this.#waiting.splice(0)) this.#hear(message);
    } catch (error) {
      this.#fail(error);
      throw error;
    }
    if (this.state === "ended") return;
    this.#timers.push(setInterval(() => this.#watch(), WATCH_EVERY_MS));
    this.#timers.push(setInterval(() => this.#measure(), STATS_EVERY_MS));
    await this.#offerOrRetry();
  }

  setMuted(isMuted) {
    this.isMuted = isMuted;
    for (const track of this.microphone?.getAudioTracks() ?? []) track.enabled = !isMuted;
  }

  hangUp() {
    if (this.state === "ended") return;
    if (this.callId) this.#hub.send({ type: "call_end", call_id: this.callId });
    const answered = this.connectedAt !== null;
    this.#end({
      outcome: answered ? "answered" : "cancelled",
      reason: null,
      durationS: answered ? (Date.now() - this.connectedAt) / 1000 : null,
    });
  }

  // --- what the hub says ---------------------------------------------------------------------

  #listen() {
    const signal = this.#stops.signal;
    for (const type of ["call_state", "call_end", "call_moved", "ice_candidate"]) {
      this.#hub.addEventListener(type, ({ detail }) => this.#hear(detail), { signal });
    }
    this.#hub.addEventListener("ready", ({ detail }) => detail.again && this.#repair(), { signal });
  }

  #hear(message) {
    // Words about this call may overtake the answer that names it.
    if (!this.callId) {
      this.#waiting.push(message);
      return;
    }
    if (message.call_id !== this.callId || this.state === "ended") return;
    if (message.type === "call_state") this.#take(message);
    else if (message.type === "call_moved") this.#repair();
    else if (message.type === "ice_candidate") this.#takeCandidate(message);
    else this.#end({ outcome: message.outcome, reason: message.reason, durationS: message.duration_s });
  }

  #take({ state, connected_at: connectedAt, outcome, reason }) {
    if (state === "ended") {
      this.#end({ outcome, reason, durationS: connectedAt ? (Date.now() - Date.parse(connectedAt)) / 1000 : null });
      return;
    }
    // The time on this clock, not the hub's: the two may differ.
    if (state === "connected") this.connectedAt ??= Date.now();
    this.#setState(state);
  }

  #takeCandidate({ candidate, sdpMid, sdpMLineIndex }) {
    this.#connection?.addIceCandidate(candidate ? { candidate, sdpMid, sdpMLineIndex } : null).catch(() => {});
  }

  // --- the peer connection -------------------------------------------------------------------

  async #offer() {
    const generation = ++this.#generation;
    this.#offeredAt = performance.now();
    // Fresh for every connection: the credentials of the relay live ten minutes.
    const ice = await this.#hub.request({ type: "ice_servers_request", call_id: this.callId });
    if (generation !== this.#generation || this.state === "ended") return;
    const old = this.#connection;
    const connection = new RTCPeerConnection({
      iceServers: ice.ice_servers,
      iceTransportPolicy: ice.ice_transport_policy,
    });
    this.#connection = connection;
    this.#packets = { count: 0, at: performance.now() };
    for (const track of this.microphone.getAudioTracks()) connection.addTrack(track, this.microphone);
    connection.addEventListener("track", ({ track, streams }) => {
      this.#emit("remote", streams[0] ?? new MediaStream([track]));
    });
    connection.addEventListener("connectionstatechange", () => {
      if (connection === this.#connection && connection.connectionState === "failed") this.#lost();
    });
    const early = [];
    connection.addEventListener("icecandidate", ({ candidate }) => {
      if (early.isOpen) this.#sendCandidate(candidate);
      else early.push(candidate);
    });
    await connection.setLocalDescription();
    // The candidates follow the offer on the same socket, so the hub knows the connection when they come.
    const answer = this.#hub.request(
      { type: "webrtc_offer", call_id: this.callId, sdp: connection.localDescription.sdp },
      { timeoutMs: OFFER_WITHIN_MS },
    );
    early.isOpen = true;
    early.forEach((candidate) => this.#sendCandidate(candidate));
    try {
      const { sdp } = await answer;
      if (generation === this.#generation && this.state !== "ended") {
        await connection.setRemoteDescription({ type: "answer", sdp });
      }
    } finally {
      // Make before break: the old way carries sound until the new one is there.
      old?.close();
    }
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

  // --- trouble -------------------------------------------------------------------------------

  async #watch() {
    if (this.#lostAt && performance.now() - this.#lostAt > GIVE_UP_MS) {
      this.hangUp();
      return;
    }
    if (this.state !== "connected" && this.state !== "reconnecting") {
      if (this.#lostAt && this.#hub.isReady && performance.now() - this.#offeredAt > SILENCE_MS * 2) this.#repair();
      return;
    }
    const count = await this.#packetCount();
    const now = performance.now();
    if (count > this.#packets.count) {
      this.#packets = { count, at: now };
      if (this.state === "reconnecting") this.#found();
    } else if (now - this.#packets.at > SILENCE_MS) {
      this.#lost();
      if (now - this.#offeredAt > SILENCE_MS * 2) this.#repair();
    }
  }

  async #packetCount() {
    const reports = (await this.#connection?.getStats()) ?? new Map();
    for (const report of reports.values()) if (report.type === "inbound-rtp") return report.packetsReceived;
    return 0;
  }

  #lost() {
    if (this.state !== "connected") return;
    this.#lostAt ||= performance.now();
    this.#setState("reconnecting");
  }

  #found() {
    this.#lostAt = 0;
    this.#setState("connected");
  }

  async #repair() {
    if (!this.callId || this.state === "ended") return;
    this.#lost();
    await this.#offerOrRetry();
  }

  // A refusal is final. Silence is not: the next "ready" of the socket, or the watch, offers again.
  async #offerOrRetry() {
    try {
      await this.#offer();
      if (this.state !== "reconnecting") this.#lostAt = 0;
    } catch (error) {
      if (!(error instanceof HubError) || error.code !== "timeout") this.#fail(error);
      else this.#lostAt ||= performance.now();
    }
  }

  async #measure() {
    if (this.state === "connected") await this.#report.take(this.#connection, this.callId);
  }

  // --- end -----------------------------------------------------------------------------------

  #fail(error) {
    if (this.state === "ended") return;
    if (this.callId) this.#hub.send({ type: "call_end", call_id: this.callId });
    const reason = error instanceof HubError ? error.message : "The connection could not be made.";
    const outcomes = { device_offline: "offline", device_busy: "busy" };
    this.#end({ outcome: outcomes[error.code] ?? "failed", reason, durationS: null });
  }

  #end(detail) {
    if (this.state === "ended") return;
    this.#stops.abort();
    for (const timer of this.#timers) clearInterval(timer);
    this.#report.send(this.callId);
    this.#generation++;
    this.#connection?.close();
    for (const track of this.microphone?.getTracks() ?? []) track.stop();
    this.#setState("ended");
    this.#emit("ended", detail);
  }

  #setState(state) {
    if (state === this.state) return;
    this.state = state;
    this.#emit("state", { state, connectedAt: this.connectedAt });
  }

  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
