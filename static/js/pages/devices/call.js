// The call screen: what lib/call.js does, shown.

import "../../lib/call-quality.js";
import { CallSound } from "../../lib/call-sound.js";
import { OUTCOMES, STATES, WITHOUT_ANSWER, afterwards, explanation } from "../../lib/call-words.js";
import { CallSession } from "../../lib/call.js";
import { setIcon } from "../../lib/icon.js";
import { leftCallKeep, leftCallTake } from "../../lib/left-call.js";
import "../../lib/level-meter.js";
import { microphoneBlocked, microphoneOpen, microphoneProblem } from "../../lib/microphone.js";
import { hub } from "../../lib/socket.js";
import { clock } from "../../lib/time.js";
import { toast } from "../../lib/toast.js";
import { RingbackTone } from "../../lib/tone.js";

const UNANSWERED = ["idle", "opening", "calling", "ringing"];
const PAGE_CLOSED = "The page of the call was closed.";

class CallView extends HTMLElement {
  #call = null;
  #sound = null;
  #ringback = new RingbackTone();
  #timer = 0;
  #wakeLock = null;
  #reason = "";
  #last = null;
  #why = "";
  #isAnswered = false;
  #otherCallId = null;
  #leftCallId = null;

  connectedCallback() {
    this.addEventListener("click", (event) => this.#act(event.target.closest("[data-act]")?.dataset.act));
    addEventListener("beforeunload", (event) => this.#askBeforeLeaving(event));
    addEventListener("pagehide", () => this.#leave());
    this.#sound = new CallSound(this.#part("sound"));
    this.#reason = this.#part("reason").textContent;
    for (const type of ["stale", "ready"]) hub.addEventListener(type, () => this.#showAfterwards());
    hub.addEventListener("call_state", ({ detail }) => this.#hearOfCall(detail));
    hub.addEventListener("call_end", ({ detail }) => this.#otherEnded(detail));
    hub.addEventListener("signed-out", ({ detail }) => this.#putOut(detail));
    this.#begin();
  }

  // The hub has ended the call already. The page of farewell comes in the place of this one.
  #putOut({ message }) {
    this.#call?.hangUp(message?.split("\n")[0] ?? null);
  }

  // Browsers ask only where the page was touched.
  #askBeforeLeaving(event) {
    if (!this.#call) return;
    event.preventDefault();
    event.returnValue = true; // for those that do not know the line above
  }

  #leave() {
    if (!this.#call) return;
    leftCallKeep(this.dataset.device, this.#call.callId);
    this.#call.hangUp(PAGE_CLOSED);
  }

  // The Call button of another page leads here and means it. Where the browser asks first, it asks beside the reason.
  async #begin() {
    const isAsked = new URLSearchParams(location.search).has("start");
    this.#leftCallId = leftCallTake(this.dataset.device);
    this.#showLeft(this.#leftCallId);
    if (this.#leftCallId) this.#sayLeft(this.#leftCallId);
    if (!navigator.mediaDevices?.getUserMedia) {
      this.#refuse(microphoneProblem());
      return;
    }
    const permission = await navigator.permissions?.query({ name: "microphone" }).catch(() => null);
    permission?.addEventListener("change", () => permission.state !== "denied" && this.#unblock());
    if (permission?.state !== "denied") {
      if (isAsked) this.#start();
    } else if (isAsked) this.#refuse(microphoneProblem({ name: "NotAllowedError" }));
    else this.#refuse(microphoneBlocked(), "Microphone blocked");
  }

  #showLeft(callId) {
    if (!callId) return;
    this.#part("status").textContent = "Your call ended when the page was closed";
    this.#part("closed").href = `${this.dataset.calls}${callId}/`;
    this.#part("closed").hidden = false;
  }

  // A page that goes away is not always heard.
  #sayLeft(callId) {
    hub.request({ type: "call_end", call_id: callId, reason: PAGE_CLOSED }).catch(() => {});
  }

  #act(name) {
    const acts = {
      start: () => this.#start(),
      again: () => this.#start(),
      mute: () => this.#toggleMute(),
      end: () => this.#call?.hangUp(),
      "end-other": () => this.#endOther(),
      output: () => this.#chooseOutput(),
      hear: () => this.#sound.play().then(() => (this.#button("hear").hidden = true)),
    };
    acts[name]?.();
  }

  async #start() {
    if (this.#call || this.dataset.state === "opening") return;
    this.#part("reason").textContent = this.#reason;
    this.#part("before").classList.remove("refused");
    this.#part("closed").hidden = true;
    this.#show("opening");
    let microphone;
    try {
      microphone = await microphoneOpen();
    } catch (error) {
      this.#refuse(microphoneProblem(error));
      return;
    }
    const call = new CallSession(hub, this.dataset.device);
    this.#call = call;
    // Reloading an ended call must not call again.
    history.replaceState(null, "", location.pathname);
    this.#listen(call);
    for (const track of microphone.getAudioTracks()) track.addEventListener("ended", () => call.hangUp());
    this.#part("meter-own").listen(microphone);
    this.#keepAwake();
    await call.start(microphone).catch(() => {});
  }

  #listen(call) {
    call.addEventListener("state", ({ detail }) => this.#show(detail.state, detail));
    call.addEventListener("incoming", ({ detail }) => this.#sound.prepare(detail));
    call.addEventListener("remote", ({ detail }) => this.#hear(detail));
    call.addEventListener("gone", ({ detail }) => this.#sound.drop(detail));
    call.addEventListener("ended", ({ detail }) => this.#ended(call, detail));
    call.addEventListener("settled", ({ detail }) => this.#settled(call, detail));
    this.#part("quality").follow(call);
    const media = navigator.mediaSession;
    try {
      media?.setActionHandler("hangup", () => call.hangUp());
      media?.setActionHandler("togglemicrophone", () => this.#toggleMute());
    } catch {
      // An older browser that knows the session but not these keys.
    }
  }

  async #hear(stream) {
    this.#part("meter-room").listen(stream);
    await this.#sound.use(stream).catch(() => (this.#button("hear").hidden = false));
    this.#offerOutputs();
  }

  #show(state, { isHubAway = false, failure = "" } = {}) {
    if (state === "ended") return;
    this.dataset.state = state;
    this.#part("status").textContent = STATES[state];
    this.#part("explanation").textContent = explanation({ state, isHubAway, failure });
    this.#part("before").hidden = state !== "opening";
    this.#part("after").hidden = true;
    this.#part("controls").hidden = state === "opening";
    this.#part("leave").hidden = true;
    const talking = ["connected", "reconnecting", "waiting"].includes(state);
    this.#part("meters").hidden = !talking;
    if (this.#part("rings")) this.#part("rings").hidden = !UNANSWERED.includes(state);
    this.#part("recording").hidden = !talking;
    this.#part("status").classList.toggle("visually-hidden", state === "connected");
    this.#part("timer").hidden = !talking;
    if (state === "calling" || state === "ringing") this.#ringback.start();
    else this.#ringback.stop();
    if (talking) this.#tick();
  }

  #tick() {
    clearInterval(this.#timer);
    const draw = () => {
      const { connectedAt, left_s, state } = this.#call;
      this.#part("timer").textContent = clock((Date.now() - connectedAt) / 1000);
      this.#part("left").hidden = state !== "reconnecting" || left_s === null;
      this.#part("left").textContent = `${clock(left_s)} left`;
    };
    draw();
    this.#timer = setInterval(draw, 500);
  }

  #ended(call, { outcome, reason, durationS, otherCallId }) {
    clearInterval(this.#timer);
    this.#ringback.stop();
    this.#part("meter-own").stop();
    this.#part("meter-room").stop();
    this.#sound.stop();
    this.#wakeLock?.release().catch(() => {});
    this.#call = null;
    this.dataset.state = "ended";
    const answered = outcome === "answered";
    this.#isAnswered = answered;
    const status = this.#part("status");
    status.classList.remove("visually-hidden");
    status.textContent = (!answered && reason) || (OUTCOMES[outcome] ?? "Call ended");
    if (answered && durationS) this.#showLength(durationS);
    this.#last = call;
    if (this.#part("rings")) this.#part("rings").hidden = true;
    for (const name of ["timer", "left", "meters", "recording", "controls", "before"]) this.#part(name).hidden = true;
    this.#part("leave").hidden = false;
    this.#part("after").hidden = false;
    this.#why = (answered && reason) || "";
    this.#part("history").hidden = !answered;
    if (call.callId) this.#part("history").href = `${this.dataset.calls}${call.callId}/`;
    this.#showAfterwards();
    const isUnanswered = WITHOUT_ANSWER.includes(outcome) && this.dataset.announces === "true";
    this.#part("announce").hidden = !isUnanswered || Boolean(otherCallId);
    this.#showOther(otherCallId);
    this.#setMuted(false);
    const next = this.#part("after").querySelector(".btn:not([hidden], .danger)") ?? this.#part("leave");
    next.focus();
  }

  #showOther(otherCallId) {
    this.#otherCallId = otherCallId;
    this.#button("again").hidden = Boolean(otherCallId);
    this.#button("end-other").hidden = !otherCallId;
  }

  #endOther() {
    hub.request({ type: "call_end", call_id: this.#otherCallId }).catch((error) => toast(error.message));
  }

  // This person may be in a call with the device already, on another page. The one that was just left is ending.
  #hearOfCall({ call_id: callId, device_id: deviceId, caller_id: callerId, state }) {
    const isOwn = deviceId === this.dataset.device && callerId === document.body.dataset.user;
    const isKnown = callId === this.#leftCallId || callId === this.#last?.callId;
    if (!isOwn || isKnown || state === "ended" || this.dataset.state !== "idle") return;
    const name = this.querySelector("h1").textContent;
    this.#part("status").textContent = `You are in a call with ${name} already, on another page or device of yours.`;
    for (const part of ["before", "history", "announce"]) this.#part(part).hidden = true;
    this.#part("after").hidden = false;
    this.#showOther(callId);
  }

  // What kept the device busy was this person's own call, on another page.
  #otherEnded({ call_id: callId, outcome }) {
    if (!callId || callId !== this.#otherCallId) return;
    this.#showOther(null);
    this.#part("status").textContent = "That call is over";
    this.#part("history").href = `${this.dataset.calls}${callId}/`;
    this.#part("history").hidden = outcome !== "answered";
  }

  #showLength(seconds) {
    this.#part("status").textContent = `Call ended (${clock(Math.round(seconds))})`;
  }

  #settled(call, { durationS }) {
    if (this.dataset.state !== "ended" || call !== this.#last) return;
    if (this.#isAnswered && durationS) this.#showLength(durationS);
    this.#showAfterwards();
  }

  // The history is a page of the hub: its link leads nowhere while nobody answers.
  #showAfterwards() {
    if (this.dataset.state !== "ended") return;
    const isHubAway = !hub.isReady;
    const { isEndKnown } = this.#last;
    this.#part("explanation").textContent = afterwards({ reason: this.#why, isHubAway, isEndKnown });
    this.#part("note").hidden = !this.#isAnswered || isHubAway;
    this.#part("history").setAttribute("aria-disabled", String(isHubAway));
  }

  #refuse(words, status = "No microphone") {
    this.dataset.state = "idle";
    this.#part("status").textContent = status;
    this.#part("reason").textContent = words;
    this.#part("before").classList.add("refused");
    this.#part("before").hidden = false;
    this.#part("leave").hidden = false;
    this.#part("controls").hidden = true;
  }

  #unblock() {
    if (this.dataset.state !== "idle") return;
    this.#part("status").textContent = STATES.idle;
    this.#part("reason").textContent = this.#reason;
    this.#part("before").classList.remove("refused");
  }

  #toggleMute() {
    if (!this.#call) return;
    this.#call.setMuted(!this.#call.isMuted);
    this.#setMuted(this.#call.isMuted);
  }

  #setMuted(isMuted) {
    const button = this.#button("mute");
    button.setAttribute("aria-pressed", String(isMuted));
    button.querySelector("[data-word]").textContent = isMuted ? "Muted" : "Mute";
    setIcon(button.querySelector("svg"), isMuted ? "mic-off" : "mic");
    navigator.mediaSession?.setMicrophoneActive?.(!isMuted)?.catch?.(() => {});
  }

  async #outputs() {
    if (!("setSinkId" in HTMLMediaElement.prototype)) return [];
    const devices = await navigator.mediaDevices.enumerateDevices();
    return devices.filter((device) => device.kind === "audiooutput");
  }

  async #offerOutputs() {
    this.#button("output").hidden = (await this.#outputs()).length < 2;
  }

  async #chooseOutput() {
    const dialog = document.querySelector("#output-dialog");
    const place = dialog.querySelector("[data-outputs]");
    const sound = this.#sound;
    const rows = (await this.#outputs()).map((device, i) => {
      const label = document.createElement("label");
      const input = Object.assign(document.createElement("input"), { type: "radio", name: "output" });
      input.checked = (sound.sinkId || "default") === device.deviceId;
      input.addEventListener("change", () => sound.setSinkId(device.deviceId));
      label.append(input, device.label || `Speaker ${i + 1}`);
      return label;
    });
    place.replaceChildren(...rows);
    dialog.showModal();
  }

  async #keepAwake() {
    this.#wakeLock = await navigator.wakeLock?.request("screen").catch(() => null);
  }

  #part(name) {
    return this.querySelector(`[data-part="${name}"]`);
  }

  #button(name) {
    return this.querySelector(`[data-act="${name}"]`);
  }
}

customElements.define("call-view", CallView);
