// A greeting that fits the hour, and the count of devices that are there.

import { showPresence } from "../../lib/live.js";

const heading = document.querySelector("[data-greeting]");
const hour = new Date().getHours();
const words = hour < 5 ? "Good night" : hour < 12 ? "Good morning" : hour < 18 ? "Good afternoon" : "Good evening";
heading.textContent = `${words}, ${heading.dataset.greeting}`;

const first = document.querySelector("[data-presence]");
if (first) {
  // Counts what the server wrote; each later change comes by the socket.
  showPresence({ device_id: "", is_online: false, last_seen_at: null });
}
