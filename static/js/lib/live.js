// What changes on a page by itself: who is online or in a call, and the thin bar while the hub is away.

import { hub } from "./socket.js";
import { ago } from "./time.js";

const STALE_AFTER_MS = 1_500;
// Device and whether it is this person's, by call: the end of a call names the call alone.
const calls = new Map();

export function showPresence({ device_id: deviceId, is_online: isOnline, last_seen_at: lastSeenAt }) {
  for (const element of document.querySelectorAll(`[data-presence="${deviceId}"]`)) {
    element.dataset.online = String(isOnline);
    const since = !isOnline && !("short" in element.dataset) && lastSeenAt ? `, seen ${ago(new Date(lastSeenAt))}` : "";
    const here = element.dataset.inCall === "true" ? "In a call" : "Online";
    element.textContent = isOnline ? here : `Offline${since}`;
  }
  for (const element of document.querySelectorAll(`[data-needs-online="${deviceId}"]`)) enable(element, isOnline);
  showCalls();
  countOnline();
}

export function showCall({ type, call_id: callId, device_id: deviceId, caller_id: callerId, state }) {
  const isOwn = Boolean(callerId) && callerId === document.body.dataset.user;
  if (type === "call_end" || state === "ended") calls.delete(callId);
  else if (deviceId) calls.set(callId, { deviceId, isOwn });
  showCalls();
}

export function showCalls() {
  const devices = new Map([...calls.values()].map(({ deviceId, isOwn }) => [deviceId, isOwn]));
  for (const element of document.querySelectorAll("[data-presence]")) {
    const isInCall = devices.has(element.dataset.presence);
    if (element.dataset.inCall === String(isInCall)) continue;
    element.dataset.inCall = String(isInCall);
    if (element.dataset.online === "true") element.textContent = isInCall ? "In a call" : "Online";
  }
  for (const link of document.querySelectorAll("[data-calls-device]")) lead(link, devices.get(link.dataset.callsDevice));
}

// Whoever is in a call with the device already cannot call it again: the page of the call says so and can end it.
function lead(link, isInCall = false) {
  link.dataset.usual ??= link.getAttribute("href");
  link.href = isInCall ? link.dataset.usual.split("?")[0] : link.dataset.usual;
  link.querySelector("span").textContent = isInCall ? "Go to the call" : "Call";
  const presence = document.querySelector(`[data-presence="${link.dataset.callsDevice}"]`);
  enable(link, isInCall || presence?.dataset.online === "true");
}

function enable(element, isAble) {
  element.toggleAttribute("disabled", !isAble);
  element.setAttribute("aria-disabled", String(!isAble));
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
    // After its hello the hub names every call that goes on.
    calls.clear();
    showCalls();
    // What was pushed in between is lost, so the parts of the page that can read themselves again do so.
    if (detail.again) document.body.dispatchEvent(new CustomEvent("hub-again"));
  });
}
