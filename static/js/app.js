// On every page: times, messages, the theme, and the hub's socket where somebody is signed in.

import { farewellShow, wireFarewell } from "./lib/farewell.js";
import { followHousehold } from "./lib/follow.js";
import { showCall, showCalls, showPresence, wireStaleBar } from "./lib/live.js";
import { hub } from "./lib/socket.js";
import { wireThemeChoice } from "./lib/theme.js";
import { showTimes } from "./lib/time.js";
import { toast, watch } from "./lib/toast.js";
import "./lib/try-again.js";

const REFRESH_TIMES_MS = 30_000;

const isSignedIn = document.body.dataset.signedIn === "true";
if (isSignedIn) followHousehold();
showTimes();
setInterval(showTimes, REFRESH_TIMES_MS);
document.body.addEventListener("htmx:afterSwap", showTimes);
wireThemeChoice();
for (const element of document.querySelectorAll(".toast")) watch(element, element.querySelector("button"));

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-opens]");
  if (opener) document.getElementById(opener.dataset.opens)?.showModal();
  if (event.target.closest("[data-closes]")) event.target.closest("dialog")?.close();
  if (event.target.closest('a[aria-disabled="true"]')) event.preventDefault();
  const copier = event.target.closest("[data-copies]");
  if (copier) copy(copier);
});

// A part of the page that asks for itself stays as it is while nothing has changed: whoever is in it stays there.
const shown = new Map();
document.body.addEventListener("htmx:beforeSwap", ({ detail }) => {
  const { elt, target, verb } = detail.requestConfig;
  if (elt !== target || verb !== "get") return;
  if (shown.get(target.id) === detail.serverResponse) detail.shouldSwap = false;
  shown.set(target.id, detail.serverResponse);
});

// What a button asked for and did not get is said in words. A part that asks by itself asks again.
document.body.addEventListener("htmx:responseError", ({ detail }) => {
  if (detail.requestConfig.verb === "get") return;
  const answer = new DOMParser().parseFromString(detail.xhr.responseText, "text/html");
  toast(answer.querySelector(".note p")?.textContent ?? "That did not work. Load the page again.");
});

// After a refusal the first field at fault has the focus.
document.querySelector('main [aria-invalid="true"]')?.focus();

// A form that was sent once is not sent twice by an impatient thumb.
document.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (button?.dataset.busy && !event.defaultPrevented) {
    setTimeout(() => {
      button.setAttribute("disabled", "");
      button.querySelector("span").textContent = button.dataset.busy;
    });
  }
});
addEventListener("pageshow", (event) => event.persisted && location.reload());

async function copy(button) {
  const source = document.getElementById(button.dataset.copies);
  const word = button.querySelector("span");
  try {
    await navigator.clipboard.writeText(source.value ?? source.textContent.trim());
    word.textContent = "Copied";
  } catch {
    // Without HTTPS a page may not write to the clipboard; a person still may.
    getSelection().selectAllChildren(source);
    word.textContent = "Selected";
  }
}

if (!isSignedIn) farewellShow();
if (isSignedIn) {
  wireStaleBar();
  wireFarewell();
  hub.addEventListener("presence", ({ detail }) => showPresence(detail));
  for (const name of ["call_state", "call_end"]) hub.addEventListener(name, ({ detail }) => showCall(detail));
  // What the server wrote anew does not know whose call it is.
  document.body.addEventListener("htmx:afterSwap", showCalls);
  for (const name of ["presence", "transcription", "announce_progress", "call_end", "call_state"]) {
    hub.addEventListener(name, ({ detail }) => document.body.dispatchEvent(new CustomEvent(`hub:${name}`, { detail })));
  }
  hub.start();
}
