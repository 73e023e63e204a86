// <level-meter label="You">: how loud a stream is, in segments with a peak that stays for a moment.

const SEGMENTS = 10;
const EVERY_MS = 80;
const FLOOR_DB = -54;
const PEAK_FALLS_PER_TICK = 0.25;

class LevelMeter extends HTMLElement {
  #context = null;
  #analyser = null;
  #samples = null;
  #timer = 0;
  #peak = 0;

  connectedCallback() {
    if (this.childElementCount) return;
    this.setAttribute("role", "img");
    this.setAttribute("aria-label", `Level: ${this.getAttribute("label")}`);
    for (let i = 0; i < SEGMENTS; i++) this.append(document.createElement("i"));
  }

  disconnectedCallback() {
    this.stop();
  }

  /** Shows the level of this stream from now on. */
  listen(stream) {
    this.stop();
    if (!stream?.getAudioTracks().length) return;
    this.#context = new AudioContext();
    this.#analyser = new AnalyserNode(this.#context, { fftSize: 1024 });
    this.#samples = new Float32Array(this.#analyser.fftSize);
    this.#context.createMediaStreamSource(stream).connect(this.#analyser);
    const frozen = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.#timer = setInterval(() => this.#draw(), frozen ? 1000 : EVERY_MS);
  }

  stop() {
    clearInterval(this.#timer);
    this.#context?.close();
    this.#context = null;
    this.#show(0);
  }

  #draw() {
    this.#analyser.getFloatTimeDomainData(this.#samples);
    const power = this.#samples.reduce((sum, value) => sum + value * value, 0) / this.#samples.length;
    const levelDb = 10 * Math.log10(power + 1e-12);
    this.#show(Math.max(0, Math.min(1, 1 - levelDb / FLOOR_DB)) * SEGMENTS);
  }

  #show(level) {
    this.#peak = Math.max(level, this.#peak - PEAK_FALLS_PER_TICK);
    const peak = Math.ceil(this.#peak) - 1;
    [...this.children].forEach((segment, i) => {
      segment.className = i < Math.round(level) ? "on" : i === peak && peak > 0 ? "peak" : "";
    });
  }
}

customElements.define("level-meter", LevelMeter);
