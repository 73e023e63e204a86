// A greeting that fits the hour, and the count of devices that are there.

import { countOnline } from "../../lib/live.js";

function greet() {
  const heading = document.querySelector("[data-greeting]");
  const hour = new Date().getHours();
  const words = hour < 5 ? "Good night" : hour < 12 ? "Good morning" : hour < 18 ? "Good afternoon" : "Good evening";
  heading.textContent = `${words}, ${heading.dataset.greeting}`;
}

// Counts what the server wrote; each later change comes by the socket, or with a new list after a break.
function show() {
  greet();
  countOnline();
}

show();
document.body.addEventListener("htmx:afterSwap", show);
