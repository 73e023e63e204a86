// The hub let this page go: its person was signed out, or does not belong to the household any more.

import { icon } from "./icon.js";
import { hub } from "./socket.js";

const KEY = "hearthline.farewell";
// Whoever signs out or changes the password in this very tab is on the way to another page. Its answer may bring a new
// session, so nothing is asked before it is there.
const PATIENCE_MS = 1_500;
const SIGN_IN = "/accounts/login/";

let isLeaving = false;

export function wireFarewell() {
  sessionStorage.removeItem(KEY); // a newer session let this page in
  addEventListener("beforeunload", () => {
    isLeaving = true;
    setTimeout(() => (isLeaving = false), 10_000); // it was a download, or was called off
  });
  // After everybody else, such as the call of this page, has heard it.
  hub.addEventListener("signed-out", ({ detail }) => setTimeout(() => part(detail)));
}

/** On the sign-in page: what happened on the page before. Once. */
export function farewellShow() {
  const words = sessionStorage.getItem(KEY);
  sessionStorage.removeItem(KEY);
  const form = document.querySelector("main form");
  if (!words || !form || !location.pathname.startsWith(SIGN_IN)) return;
  form.before(note(words));
}

function part({ code, message, wasThere }) {
  const isInCall = document.querySelector('call-view:not([data-state="idle"])') !== null;
  // Nothing was lent to this guest when the page came, which it says.
  if (code === "not_allowed" && !wasThere && !isInCall) return;
  if (code === "not_a_member" || code === "not_allowed" || isInCall) say(code, message);
  else setTimeout(() => !isLeaving && signIn(message), PATIENCE_MS);
}

// Whoever is still signed in, with a newer session, is led back here at once.
function signIn(message) {
  if (message) sessionStorage.setItem(KEY, message);
  location.assign(`${SIGN_IN}?next=${encodeURIComponent(location.pathname)}`);
}

// What the page showed is not for this person any more.
function say(code, message) {
  const panel = document.createElement("div");
  panel.className = "empty farewell";
  panel.setAttribute("role", "alert");
  const heading = document.createElement("h1");
  const [what, ...how] = (message || "You were signed out.").split("\n");
  heading.textContent = what;
  const lines = how.map((words) => Object.assign(document.createElement("p"), { textContent: words }));
  const way = document.createElement("a");
  way.className = "btn primary large";
  const isOut = code !== "not_a_member" && code !== "not_allowed";
  way.href = isOut ? SIGN_IN : "/";
  way.textContent = isOut ? "Sign in" : "Continue";
  const medallion = document.createElement("span");
  medallion.className = "medallion big accent";
  medallion.append(icon("log-out"));
  panel.append(medallion, heading, ...lines, way);
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  for (const part of document.querySelectorAll(".nav, .change-bar, .stale-bar")) part.remove();
  const main = document.querySelector("main");
  // As the pages are that come before somebody is signed in.
  document.body.className = "entrance";
  main.className = "";
  main.replaceChildren(panel);
  way.focus();
}

function note(words) {
  const element = document.createElement("div");
  element.className = "note";
  element.setAttribute("role", "status");
  const place = document.createElement("div");
  const line = document.createElement("p");
  line.textContent = words;
  place.append(line);
  element.append(icon("info"), place);
  return element;
}
