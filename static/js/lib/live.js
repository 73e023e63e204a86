// What changes on a page by itself: who is online, and the thin bar while the hub is away.

import { hub } from "./socket.js";
import { ago } from "./time.js";

const STALE_AFTER_MS = 1_500;

export function showPresence({ device_id: deviceId, is_online: isOnline, last_seen_at: lastSeenAt }) {
  for (const element of document.querySelectorAll(`[data-presence="${deviceId}"]`)) {
    element.dataset.online = String(isOnline);
    const since = !isOnline && !("short" in element.dataset) && lastSeenAt ? `, seen ${ago(new Date(lastSeenAt))}` : "";
    element.textContent = isOnline ? "Online" : `Offline${since}`;
  }
  for (const element of document.querySelectorAll(`[data-needs-online="${deviceId}"]`)) {
    element.toggleAttribute("disabled", !isOnline);
    element.setAttribute("aria-disabled", String(!isOnline));
  }
  countOnline();
}

export function countOnline() {
  const place = document.querySelector("[data-online-count]");
  if (!place) return;
  const all = [...document.querySelectorAll("[data-presence]")];
  const online = all.filter((element) => element.dataset.online === "true").length;
  const devices = all.length === 1 ? "1 device" : `${all.length} devices`;
  place.textContent = online === all.length ? `${devices}, all online` : `${devices}, ${online} online`;
}

export function wireStaleBar() {
  const bar = document.querySelector(".stale-bar");
  let timer = 0;
  // A break of a moment is not worth a bar.
  hub.addEventListener("stale", () => {
    clearTimeout(timer);
    timer = setTimeout(() => (bar.hidden = false), STALE_AFTER_MS);
  });
  hub.addEventListener("ready", ({ detail }) => {
    clearTimeout(timer);
    bar.hidden = true;
    // What was pushed in between is lost, so the parts of the page that can read themselves again do so.
    if (detail.again) document.body.dispatchEvent(new CustomEvent("hub-again"));
  });
}
