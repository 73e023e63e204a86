// What the room says, through one audio element for each connection: while a new one takes over, both play and one is
// heard, so that the change has no gap. Volume and output go along.

export class CallSound {
  #place;
  #heard = null;
  #elements = new Map();

  /** `place`: an audio element of the page, which stays as the model for the others. */
  constructor(place) {
    this.#place = place;
  }

  /** Plays it without being heard, so that its buffers are full when it is needed. */
  prepare(stream) {
    const element = this.#place.cloneNode();
    element.muted = true;
    element.srcObject = stream;
    this.#elements.set(stream, element);
    this.#place.after(element);
    element.play().catch(() => {});
  }

  /** Hears this one and nothing else. Rejects where the browser wants a tap of the person first. */
  async use(stream) {
    if (!this.#elements.has(stream)) this.prepare(stream);
    const [old, element] = [this.#heard, this.#elements.get(stream)];
    this.#heard = element;
    element.volume = old?.volume ?? this.#place.volume;
    if (old?.sinkId) await element.setSinkId(old.sinkId).catch(() => {});
    element.muted = false;
    for (const other of [...this.#elements.keys()]) if (other !== stream) this.drop(other);
    await element.play();
  }

  drop(stream) {
    const element = this.#elements.get(stream);
    this.#elements.delete(stream);
    if (!element) return;
    element.srcObject = null;
    element.remove();
  }

  play() {
    return this.#heard?.play() ?? Promise.resolve();
  }

  get sinkId() {
    return this.#heard?.sinkId ?? "";
  }

  setSinkId(id) {
    return this.#heard?.setSinkId(id);
  }

  stop() {
    for (const stream of [...this.#elements.keys()]) this.drop(stream);
    this.#heard = null;
  }
}
