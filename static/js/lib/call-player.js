// <call-player>: the listening copy with its two voices drawn from the server's peaks, where the connection was gone, and
// the sentence that is heard.

import { setIcon } from "./icon.js";
import { clock } from "./time.js";

const BAR_PX = 3;
const GAP_PX = 2;
const LONG_STEP_S = 15;
const STEP_S = 5;
const SPEED_KEY = "hearthline.speed";

class CallPlayer extends HTMLElement {
  #audio = null;
  #canvas = null;
  #peaks = { caller: [], others: [] };
  #breaks = []; // [begin, length] in seconds
  #stops = new AbortController();
  #frame = 0;

  connectedCallback() {
    this.#audio = this.querySelector("audio");
    this.#canvas = this.querySelector("canvas");
    this.#peaks = JSON.parse(this.querySelector("#peaks").textContent);
    this.#breaks = JSON.parse(this.querySelector("#breaks").textContent);
    this.#listen();
    this.#restoreSpeed();
    this.#draw();
  }

  disconnectedCallback() {
    this.#stops.abort();
    cancelAnimationFrame(this.#frame);
  }

  get duration() {
    const known = Number(this.dataset.duration);
    return known || (Number.isFinite(this.#audio.duration) ? this.#audio.duration : 0);
  }

  playFrom(seconds) {
    this.#audio.currentTime = Math.max(0, Math.min(seconds, this.duration));
    this.#play();
  }

  // A pause that comes before the first sound is no error, and the button shows what became of it.
  #play() {
    this.#audio.play().catch(() => {});
  }

  toggle() {
    if (this.#audio.paused) this.#play();
    else this.#audio.pause();
  }

  skip(seconds) {
    this.#audio.currentTime = Math.max(0, Math.min(this.#audio.currentTime + seconds, this.duration));
    this.#follow();
  }

  #listen() {
    const signal = this.#stops.signal;
    const on = (target, name, act) => target.addEventListener(name, act, { signal });
    for (const name of ["play", "pause", "ended"]) on(this.#audio, name, () => this.#changed());
    for (const name of ["timeupdate", "seeked"]) on(this.#audio, name, () => this.#follow());
    on(this.#canvas, "pointerdown", (event) => this.#seekTo(event));
    on(this.#canvas, "pointermove", (event) => event.buttons && this.#seekTo(event));
    on(this.#canvas, "keydown", (event) => this.#key(event));
    on(this, "click", (event) => this.#act(event.target.closest("[data-act]")?.dataset.act));
    on(this.querySelector('[data-part="speed"]'), "change", (event) => this.#setSpeed(event.target.value));
    on(matchMedia("(prefers-color-scheme: dark)"), "change", () => this.#draw());
    const observer = new ResizeObserver(() => this.#draw());
    observer.observe(this.#canvas);
    signal.addEventListener("abort", () => observer.disconnect());
  }

  #act(name) {
    if (name === "play") this.toggle();
    if (name === "back") this.skip(-LONG_STEP_S);
    if (name === "forward") this.skip(LONG_STEP_S * 2);
  }

  #key(event) {
    const steps = { ArrowLeft: -STEP_S, ArrowRight: STEP_S, PageDown: -LONG_STEP_S, PageUp: LONG_STEP_S };
    if (event.key in steps) this.skip(steps[event.key]);
    else if (event.key === "Home") this.skip(-this.duration);
    else if (event.key === "End") this.skip(this.duration);
    else return;
    event.preventDefault();
  }

  #seekTo(event) {
    const box = this.#canvas.getBoundingClientRect();
    this.#audio.currentTime = Math.max(0, Math.min(1, (event.clientX - box.left) / box.width)) * this.duration;
    this.#follow();
  }

  #setSpeed(value) {
    this.#audio.playbackRate = Number(value);
    this.#audio.preservesPitch = true;
    localStorage.setItem(SPEED_KEY, value);
  }

  #restoreSpeed() {
    const speed = localStorage.getItem(SPEED_KEY) ?? "1";
    const select = this.querySelector('[data-part="speed"]');
    if ([...select.options].some((option) => option.value === speed)) {
      select.value = speed;
      this.#audio.playbackRate = Number(speed);
    }
  }

  #changed() {
    const playing = !this.#audio.paused;
    const button = this.querySelector('[data-act="play"]');
    button.setAttribute("aria-label", playing ? "Pause" : "Play");
    setIcon(button.querySelector("svg"), playing ? "pause" : "play");
    cancelAnimationFrame(this.#frame);
    if (playing) this.#run();
    this.#follow();
  }

  // timeupdate comes four times a second; while it plays the line moves with each picture.
  #run() {
    this.#draw();
    this.#frame = requestAnimationFrame(() => this.#run());
  }

  #follow() {
    const now = this.#audio.currentTime;
    this.querySelector('[data-part="now"]').textContent = clock(now);
    this.#canvas.setAttribute("aria-valuenow", String(Math.round(now)));
    this.#canvas.setAttribute("aria-valuetext", `${clock(now)} of ${clock(this.duration)}`);
    for (const sentence of document.querySelectorAll(".sentence")) {
      const { start, end } = sentence.dataset;
      const isNow = now > 0 && now >= Number(start) - 0.05 && now < Number(end);
      if (isNow) sentence.setAttribute("aria-current", "true");
      else sentence.removeAttribute("aria-current");
    }
    this.#draw();
  }

  #draw() {
    const canvas = this.#canvas;
    const ratio = devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!width) return;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const style = getComputedStyle(this);
    const heard = this.duration ? (this.#audio.currentTime / this.duration) * width : 0;
    const middle = height / 2;
    this.#drawBreaks(context, style.getPropertyValue("--line-strong"), width, height);
    // The caller above the line, the others below it.
    this.#drawLane(context, this.#peaks.caller, style.getPropertyValue("--voice-a"), width, heard, middle, -1);
    this.#drawLane(context, this.#peaks.others, style.getPropertyValue("--voice-b"), width, heard, middle, 1);
    context.globalAlpha = 1;
    context.fillStyle = style.getPropertyValue("--text");
    context.fillRect(Math.min(heard, width - 2), 0, 2, height);
  }

  // Wide enough to be seen in a long call.
  #drawBreaks(context, color, width, height) {
    context.fillStyle = color;
    context.globalAlpha = 0.3;
    for (const [begin, length] of this.#breaks) {
      const wide = Math.max(BAR_PX, (length / this.duration) * width);
      context.fillRect(Math.min((begin / this.duration) * width, width - wide), 0, wide, height);
    }
  }

  #drawLane(context, peaks, color, width, heard, middle, direction) {
    const bars = Math.floor(width / (BAR_PX + GAP_PX));
    const loudest = Math.max(0.05, ...peaks);
    context.fillStyle = color;
    for (let i = 0; i < bars; i++) {
      const from = Math.floor((i * peaks.length) / bars);
      const to = Math.max(from + 1, Math.floor(((i + 1) * peaks.length) / bars));
      // Below one, so that quiet speech is seen beside a loud word.
      const peak = (Math.max(0, ...peaks.slice(from, to)) / loudest) ** 0.8;
      const tall = Math.max(1.5, peak * (middle - 3));
      const left = i * (BAR_PX + GAP_PX);
      context.globalAlpha = left < heard ? 1 : 0.4;
      context.beginPath();
      context.roundRect(left, direction < 0 ? middle - 1 - tall : middle + 1, BAR_PX, tall, 1.5);
      context.fill();
    }
  }
}

customElements.define("call-player", CallPlayer);
