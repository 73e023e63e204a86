// The microphone of a call, and why there is none.

const RAW_KEY = "hearthline.rawMicrophone";

/** What the browser's refusal of the microphone means, in words. */
export function microphoneProblem(error) {
  if (!isSecureContext) {
    const ways = "Whoever runs the hub sets up HTTPS; on the hub's own computer, localhost works too.";
    return `Your browser gives no microphone to an address without HTTPS. ${ways}`;
  }
  if (error?.name === "NotAllowedError") {
    return `The microphone is blocked for this page, so nobody was called. ${allowIt()}`;
  }
  if (error?.name === "NotFoundError") return "No microphone was found. Plug one in, then press Call.";
  if (error?.name === "NotReadableError") return "Another program holds the microphone. Close it, then press Call.";
  return "The microphone could not be opened.";
}

/** The same before anybody was called. */
export function microphoneBlocked() {
  return `Your browser keeps the microphone from this page. ${allowIt()}`;
}

// An installed app and a full screen have no address.
function allowIt() {
  const hasAddress = matchMedia("(display-mode: browser)").matches;
  const way = hasAddress
    ? "Press the sign beside the address above, allow the microphone"
    : "Allow it in the settings of the app or of the browser";
  return `${way}, then press Call.`;
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
