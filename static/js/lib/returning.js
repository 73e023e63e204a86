// A hub that was away is not back all at once: the worker that carries the sound follows, and so do the devices.

import { now_s } from "./peer.js";

const WITHIN_MS = 60_000; // whoever pressed Call a minute ago may have gone
const PRESENCE_WITHIN_MS = 3_000; // of the hub's hello
const AGAIN_MS = 2_000;
const RETURNING = ["no_worker", "device_offline"];

/**
 * What `invite` resolves with, not before the hub has said that the device is there, and tried again while parts of the
 * hub are missing; both for a minute. Rejects as `invite` does. Null once `signal` is aborted. Call it when the hub has
 * just become ready.
 */
export async function inviteReturning(hub, deviceId, invite, signal) {
  const until_s = now_s() + WITHIN_MS / 1_000;
  await deviceThere(hub, deviceId, signal);
  while (!signal.aborted) {
    try {
      return await invite();
    } catch (error) {
      if (!RETURNING.includes(error.code) || now_s() > until_s) throw error;
    }
    await new Promise((go) => setTimeout(go, AGAIN_MS));
  }
  return null;
}

// Of a device of which the hub says nothing, its answer to an invitation will tell.
function deviceThere(hub, deviceId, signal) {
  return new Promise((resolve) => {
    let timer = setTimeout(resolve, PRESENCE_WITHIN_MS);
    const hear = ({ detail }) => {
      if (detail.device_id !== deviceId) return;
      clearTimeout(timer);
      if (detail.is_online) resolve();
      else timer = setTimeout(resolve, WITHIN_MS);
    };
    hub.addEventListener("presence", hear, { signal });
    signal.addEventListener("abort", resolve, { once: true });
  });
}
