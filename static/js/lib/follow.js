// The page follows its household: what somebody renamed, moved, added or removed elsewhere shows here too.
//
// Parts that say of themselves that they may (data-follows) are replaced where they changed, and in a call the names and
// what this person may do after it ([data-names]). Of everything else a small bar tells: it may be in use. What is shown
// once ([data-shown-once]) stays as it is: whoever pressed the bar's button would lose it.

import { hub } from "./socket.js";
import { homeDate } from "./time.js";

const SOON_MS = 300; // several changes come together
const MIDNIGHT_MS = 60_000; // how often the date is looked at
const OWN_MS = 3_000; // what this page asked for itself, its answer shows
// These change without anybody's doing, and follow in their own ways.
const UNSTEADY = "time, script, [data-zone] span, [data-presence], [data-online-count], [data-greeting], .toasts, [data-part]";
const NOT_OPEN = "This page is not open to you any more.";
const FOLLOWS = "[data-follows]";

let served = "";
let servedElse = ""; // outside of the parts that follow
let ownUntil = 0;

/** Call it before anything else touches the page. */
export function followHousehold() {
  remember(document);
  let timer = 0;
  document.body.addEventListener("htmx:beforeRequest", ({ detail }) => {
    if (detail.requestConfig.verb !== "get") ownUntil = Date.now() + OWN_MS;
  });
  hub.addEventListener("household_changed", () => {
    clearTimeout(timer);
    // Spread, so that all pages of a home do not ask in one instant.
    timer = setTimeout(() => look().catch(() => showBar()), SOON_MS * (1 + Math.random()));
  });
  document.querySelector(".change-bar button")?.addEventListener("click", again);
  const date = homeDate();
  setInterval(() => homeDate() !== date && isQuiet() && again(), MIDNIGHT_MS);
}

// Not a reload: what came as the answer to a form would be sent once more. Nor with the fragment, to which it would scroll.
function again() {
  location.assign(location.pathname + location.search);
}

// What was today on it is yesterday, and nobody minds a page that comes anew.
function isQuiet() {
  const isInCall = callState() !== "idle";
  return !isInCall && !isInUse() && !document.querySelector(".farewell, [data-shown-once]");
}

function callState() {
  return document.querySelector("call-view")?.dataset.state ?? "idle";
}

async function look() {
  if (Date.now() < ownUntil) return;
  // Of this page's household, also when another tab shows another home.
  const headers = { Accept: "text/html", "X-Household": document.body.dataset.household };
  const answer = await fetch(location.href, { headers });
  if (document.querySelector(".farewell")) return; // it says already why it is over
  const call = callState();
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const news = newsOf(fresh);
  if (answer.status === 403 || answer.status === 404) {
    document.body.dataset.gone = "";
    if (isInUse() || call !== "idle") showBar(fresh.querySelector("[data-became]")?.textContent ?? news ?? NOT_OPEN);
    else again(); // it says in words what became of it
  }
  if (!answer.ok || answer.redirected || document.querySelector("[data-shown-once]")) return;
  if (call !== "idle") return rename(fresh);
  if (words(pageOf(fresh)) === served) return;
  if (isInUse()) showBar(news);
  else if (!swap(fresh)) showBar();
}

// That this person has another role now, where this page does not say so yet.
function newsOf(root) {
  const [said, words] = [document, root].map((one) => one.querySelector("[data-news]")?.textContent);
  return words === said ? undefined : words;
}

function pageOf(root) {
  return [...root.querySelectorAll(".nav, main")];
}

function remember(root) {
  served = words(pageOf(root));
  servedElse = words(pageOf(root), FOLLOWS);
}

// What the server wrote, in the order in which it is read.
function words(parts, besides = ".nothing-else") {
  const read = parts.map((part) => {
    const copy = part.cloneNode(true);
    for (const one of copy.querySelectorAll(`${UNSTEADY}, ${besides}`)) one.remove();
    const fields = [...copy.querySelectorAll("input:not([type=hidden]), option[selected]")];
    return [copy.textContent, ...fields.map((one) => `${one.getAttribute("value")} ${one.hasAttribute("checked")}`)];
  });
  return read.flat().join(" ").replace(/\s+/g, " ");
}

// Somebody is typing, choosing, reading a dialog, scanning or listening: that is not taken away.
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

// The call goes on, or was just ended; only words are others now, such as what its device and room are called.
function rename(fresh) {
  document.title = fresh.title;
  for (const element of document.querySelectorAll("[data-names]")) {
    const other = fresh.querySelector(`[data-names="${element.dataset.names}"]`);
    if (other) element.textContent = other.textContent;
  }
  remember(fresh);
}

// False: something else changed too, or the page has no longer what followed.
function swap(fresh) {
  const before = servedElse;
  remember(fresh);
  let isAll = servedElse === before;
  const { scrollX, scrollY } = window;
  for (const part of document.querySelectorAll(FOLLOWS)) {
    const other = fresh.getElementById(part.id);
    if (other && words([part]) !== words([other])) replace(part, document.adoptNode(other));
    isAll &&= other !== null;
  }
  scrollTo({ left: scrollX, top: scrollY, behavior: "instant" });
  return isAll;
}

function replace(part, other) {
  part.replaceWith(other);
  window.htmx?.process(other);
  other.dispatchEvent(new CustomEvent("htmx:afterSwap", { bubbles: true }));
}

function showBar(what = "Something changed.") {
  const bar = document.querySelector(".change-bar");
  if (!bar) return;
  bar.querySelector("span").textContent = what;
  bar.hidden = false;
}
