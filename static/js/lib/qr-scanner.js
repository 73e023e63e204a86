// <qr-scanner>: finds a claim code with the camera or in an image. Event "found" {secret, fingerprint, userCode}.

const LOOK_EVERY_MS = 150;
const CODE = /^[BCDFGHJKLMNPQRSTVWXZ]{5}-?[BCDFGHJKLMNPQRSTVWXZ]{5}$/i;

/** The parts of a claim link or of a bare code; null for any other QR code. */
export function claimParts(text) {
  const trimmed = text.trim();
  if (CODE.test(trimmed)) return { secret: "", fingerprint: "", userCode: trimmed };
  let url;
  try {
    url = new URL(trimmed);
  } catch {
    return null;
  }
  const codes = new URLSearchParams(url.hash.slice(1));
  const isClaim = url.pathname.endsWith("/claim/") && codes.get("s");
  return isClaim ? { secret: codes.get("s"), fingerprint: codes.get("f") ?? "", userCode: "" } : null;
}

class QrScanner extends HTMLElement {
  #detector = null;
  #stream = null;
  #timer = 0;

  connectedCallback() {
    this.#part("start").addEventListener("click", () => this.#start());
    this.#part("stop").addEventListener("click", () => this.#stop("Stopped."));
    this.#part("torch").addEventListener("click", () => this.#toggleTorch());
    this.#part("image").addEventListener("change", (event) => this.#readImage(event.target.files[0]));
  }

  disconnectedCallback() {
    this.#stop("");
  }

  async #start() {
    if (!navigator.mediaDevices?.getUserMedia) {
      this.#say("On this address your browser allows no camera. Choose an image, or type the code below.");
      return;
    }
    this.#say("Opening the camera…");
    try {
      this.#stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
      const video = this.querySelector("video");
      video.srcObject = this.#stream;
      await video.play();
    } catch (error) {
      const refused = error.name === "NotAllowedError";
      this.#stop(refused ? "The camera is blocked. Type the code below." : "No camera was found. Type the code below.");
      document.querySelector('input[name="user_code"]')?.focus();
      return;
    }
    this.#show(true);
    this.#say("Hold the code into the frame.");
    this.#look();
  }

  async #look() {
    if (!this.#stream) return;
    const found = await this.#read(this.querySelector("video")).catch(() => null);
    if (!this.#stream) return;
    if (found?.parts) this.#found(found.parts);
    else {
      if (found) this.#say("This is another QR code. Look for the one that the device shows.");
      this.#timer = setTimeout(() => this.#look(), LOOK_EVERY_MS);
    }
  }

  async #readImage(file) {
    if (!file) return;
    this.#say("Reading the image…");
    const found = await this.#read(file).catch(() => null);
    if (found?.parts) this.#found(found.parts);
    else if (found) this.#say("This is another QR code, not one of a Hearthline device.");
    else this.#say("There is no QR code in this image. Try a sharper one, or type the code below.");
  }

  async #read(source) {
    this.#detector ??= await this.#makeDetector();
    const codes = await this.#detector.detect(source);
    return codes.length ? { parts: claimParts(codes[0].rawValue) } : null;
  }

  async #makeDetector() {
    const native = await globalThis.BarcodeDetector?.getSupportedFormats?.().catch(() => []);
    if (native?.includes("qr_code")) return new BarcodeDetector({ formats: ["qr_code"] });
    const ponyfill = await import(new URL(this.dataset.ponyfill, location.href));
    ponyfill.prepareZXingModule({ overrides: { locateFile: () => this.dataset.wasm } });
    return new ponyfill.BarcodeDetector({ formats: ["qr_code"] });
  }

  #found(parts) {
    navigator.vibrate?.(60);
    this.querySelector("video").pause();
    this.querySelector(".reticle").classList.add("hit");
    this.#stop("Found it.", { keepPicture: true });
    this.dispatchEvent(new CustomEvent("found", { detail: parts }));
  }

  #stop(words, { keepPicture = false } = {}) {
    clearTimeout(this.#timer);
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    if (!keepPicture) this.#show(false);
    if (words) this.#say(words);
  }

  async #toggleTorch() {
    const button = this.#part("torch");
    const on = button.getAttribute("aria-pressed") !== "true";
    await this.#stream?.getVideoTracks()[0].applyConstraints({ advanced: [{ torch: on }] });
    button.setAttribute("aria-pressed", String(on));
  }

  #show(isLive) {
    this.querySelector(".reticle").hidden = !isLive;
    this.#part("start").hidden = isLive;
    this.#part("stop").hidden = !isLive;
    const track = this.#stream?.getVideoTracks()[0];
    this.#part("torch").hidden = !(isLive && track?.getCapabilities?.().torch);
  }

  #say(words) {
    this.querySelector(".scan-status").textContent = words;
  }

  #part(name) {
    return this.querySelector(`[data-scan="${name}"]`);
  }
}

customElements.define("qr-scanner", QrScanner);
