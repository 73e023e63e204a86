// Times stand on a page as the server wrote them, in the zone of the home: see common/templatetags/ui.py. What was said
// as "3 hours ago" moves on here, and whoever reads in another zone is told whose times these are.

const HOUR_AND_MINUTE = { hour: "2-digit", minute: "2-digit" };
const STEPS = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

export function ago(date, now = Date.now()) {
  const seconds = (date.getTime() - now) / 1000;
  const format = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
  for (const [unit, size] of STEPS) {
    if (Math.abs(seconds) >= size) return format.format(Math.round(seconds / size), unit);
  }
  return "just now";
}

export function showTimes() {
  for (const element of document.querySelectorAll("time[data-ago]")) {
    element.textContent = ago(new Date(element.dateTime));
  }
  showZone(document.querySelector("[data-zone]"));
}

function showZone(note) {
  if (!note) return;
  const now = new Date(); // for both clocks: between two looks a minute may end
  const [here, there] = [undefined, note.dataset.zone].map((zone) => inZone(zone, now, HOUR_AND_MINUTE));
  // Two clocks may show the same, a day apart: Honolulu and Kiritimati.
  const [today, day] = [undefined, note.dataset.zone].map((zone) => inZone(zone, now, { weekday: "long" }));
  note.hidden = !there || (here === there && today === day);
  note.querySelector("span").textContent = today === day ? there : `${there} on ${day}`;
}

/** At the home now; "" on a page of none. */
export function homeDate() {
  const zone = document.querySelector("[data-zone]")?.dataset.zone;
  return zone ? inZone(zone, new Date(), { dateStyle: "short" }) : "";
}

// "" where this browser does not know the zone: an older one has no "Europe/Kyiv".
function inZone(timeZone, date, style) {
  try {
    return new Intl.DateTimeFormat("en-GB", { timeZone, ...style }).format(date);
  } catch {
    return "";
  }
}

/** 7 -> "0:07", 92 -> "1:32", 3725 -> "1:02:05". */
export function clock(seconds) {
  const total = Math.max(0, Math.floor(seconds));
  const two = (value) => String(value).padStart(2, "0");
  const [hours, minutes] = [Math.floor(total / 3600), Math.floor(total / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(total % 60)}` : `${minutes}:${two(total % 60)}`;
}
