// The page follows its household: what somebody renamed, moved, added or removed elsewhere shows here by itself.

import { hub } from "./socket.js";

const SOON_MS = 300; // several changes come together
// These change without anybody's doing, and follow in their own ways.
const UNSTEADY = "time, script, [data-presence], [data-online-count], [data-greeting], .toasts, call-view [data-part]";

let served = "";

/** Call it before anything else touches the page. */
export function followHousehold() {
  served = words(document);
  let timer = 0;
  hub.addEventListener("household_changed", () => {
    clearTimeout(timer);
    // Spread, so that all pages of a home do not ask in one instant.
    timer = setTimeout(() => look().catch(() => showBar()), SOON_MS * (1 + Math.random()));
  });
  document.querySelector(".change-bar button")?.addEventListener("click", () => location.reload());
}

async function look() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok || answer.redirected) {
    if (isInUse()) showBar();
    else location.reload(); // it says in words what became of it
    return;
  }
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (words(fresh) === served) return;
  const call = document.querySelector("call-view");
  if (call && !["idle", "ended", undefined].includes(call.dataset.state)) rename(fresh);
  else if (isInUse()) showBar();
  else if (!swap(fresh)) location.reload();
}

// What the server wrote, in the order in which it is read.
function words(root) {
  const parts = [...root.querySelectorAll(".nav, main")].map((part) => {
    const copy = part.cloneNode(true);
    for (const one of copy.querySelectorAll(UNSTEADY)) one.remove();
    const values = [...copy.querySelectorAll("input:not([type=hidden])")].map(
      (input) => `${input.getAttribute("value")} ${input.hasAttribute("checked")}`,
    );
    return [copy.textContent, ...values, ...[...copy.querySelectorAll("option[selected]")].map((one) => one.value)];
  });
  return parts.flat().join(" ").replace(/\s+/g, " ");
}

// Somebody is typing, choosing, reading a dialog or listening: that is not taken away.
function isInUse() {
  if (document.querySelector("dialog[open], video")) return true;
  if ([...document.querySelectorAll("audio")].some((audio) => !audio.paused)) return true;
  if (document.activeElement?.matches("main :is(input, textarea, select)")) return true;
  return [...document.querySelectorAll("main form :is(input, textarea)")].some((field) =>
    ["radio", "checkbox"].includes(field.type)
      ? field.checked !== field.defaultChecked
      : field.type !== "hidden" && field.value !== field.defaultValue,
  );
}

// The call goes on; only what its device and room are called is another now.
function rename(fresh) {
  document.title = fresh.title;
  for (const element of document.querySelectorAll("[data-names]")) {
    const other = fresh.querySelector(`[data-names="${element.dataset.names}"]`);
    if (other) element.textContent = other.textContent;
  }
  served = words(fresh);
}

// Parts that say of themselves that they may be replaced. False: the page has none, or more than they changed.
function swap(fresh) {
  const parts = [...document.querySelectorAll("[data-follows]")];
  const others = parts.map((part) => fresh.getElementById(part.id));
  if (!parts.length || others.some((other) => other === null) || rest(fresh) !== rest(document)) return false;
  const { scrollX, scrollY } = window;
  parts.forEach((part, i) => {
    const other = document.adoptNode(others[i]);
    part.replaceWith(other);
    window.htmx?.process(other);
    other.dispatchEvent(new CustomEvent("htmx:afterSwap", { bubbles: true }));
  });
  scrollTo({ left: scrollX, top: scrollY, behavior: "instant" });
  served = words(document);
  return true;
}

// Without those parts. Scripts may have changed the words of the rest, but not how it is built.
function rest(root) {
  const copy = root.querySelector("main").cloneNode(true);
  for (const one of copy.querySelectorAll("[data-follows]")) one.replaceChildren();
  return [...copy.querySelectorAll("*")].map((one) => one.tagName).join();
}

function showBar() {
  const bar = document.querySelector(".change-bar");
  if (bar) bar.hidden = false;
}
