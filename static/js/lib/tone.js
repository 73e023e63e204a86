// The ring-back tone: soft, one second in five, made in the browser.

const FREQUENCIES_HZ = [425, 430];
const LEVEL = 0.04;
const ON_S = 1;
const PERIOD_S = 5;

export class RingbackTone {
  #context = null;
  #timer = 0;

  start() {
    if (this.#context) return;
    this.#context = new AudioContext();
    this.#burst();
    this.#timer = setInterval(() => this.#burst(), PERIOD_S * 1000);
  }

  stop() {
    clearInterval(this.#timer);
    this.#context?.close();
    this.#context = null;
  }

  #burst() {
    const context = this.#context;
    const gain = new GainNode(context, { gain: 0 });
    const now = context.currentTime;
    gain.gain.setTargetAtTime(LEVEL, now, 0.03);
    gain.gain.setTargetAtTime(0, now + ON_S, 0.05);
    gain.connect(context.destination);
    for (const frequency of FREQUENCIES_HZ) {
      const oscillator = new OscillatorNode(context, { frequency });
      oscillator.connect(gain);
      oscillator.start(now);
      oscillator.stop(now + ON_S + 0.4);
    }
  }
}
