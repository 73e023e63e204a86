// A short message at the bottom. It stays while the pointer or the focus is on it.

import { icon } from "./icon.js";

const SHOWN_MS = 7_000;

export function toast(text) {
  const place = document.querySelector(".toasts");
  if (!place) return;
  const element = document.createElement("div");
  element.className = "toast";
  const words = document.createElement("span");
  words.textContent = text;
  const close = document.createElement("button");
  close.type = "button";
  close.setAttribute("aria-label", "Close this message");
  close.append(icon("x"));
  element.append(words, close);
  watch(element, close);
  place.append(element);
}

export function watch(element, close) {
  let timer = 0;
  const hold = () => clearTimeout(timer);
  const go = () => {
    hold();
    timer = setTimeout(() => element.remove(), SHOWN_MS);
  };
  for (const name of ["pointerenter", "focusin"]) element.addEventListener(name, hold);
  for (const name of ["pointerleave", "focusout"]) element.addEventListener(name, go);
  close.addEventListener("click", () => element.remove());
  go();
}
