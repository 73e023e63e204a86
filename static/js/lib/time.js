// Times in the reader's own zone and words. The server writes <time datetime=… data-time="moment|day|clock|ago">, in the
// same four ways: see common/templatetags/ui.py.

const inWords = (style) => new Intl.DateTimeFormat(undefined, style);
const CLOCK = inWords({ hour: "numeric", minute: "2-digit" });
const DATE = inWords({ day: "numeric", month: "long" });
const DATE_AND_YEAR = inWords({ day: "numeric", month: "long", year: "numeric" });
const NEAR = { 0: "today", 1: "tomorrow", "-1": "yesterday" };
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

/** 0 is today, 1 tomorrow. */
function daysAhead(date) {
  const midnight = (value) => new Date(value.getFullYear(), value.getMonth(), value.getDate()).getTime();
  return Math.round((midnight(date) - midnight(new Date())) / 86_400_000);
}

function dateWords(date) {
  return (date.getFullYear() === new Date().getFullYear() ? DATE : DATE_AND_YEAR).format(date);
}

const STYLES = {
  clock: (date) => CLOCK.format(date),
  day: (date) => NEAR[daysAhead(date)] ?? dateWords(date),
  moment: (date) => (daysAhead(date) ? `${dateWords(date)}, ${CLOCK.format(date)}` : CLOCK.format(date)),
  ago: (date) => ago(date),
};

export function showTimes(root = document) {
  for (const element of root.querySelectorAll("time[data-time]")) {
    const date = new Date(element.dateTime);
    if (Number.isNaN(date.getTime())) continue;
    element.textContent = STYLES[element.dataset.time](date);
    element.title = `${DATE_AND_YEAR.format(date)}, ${CLOCK.format(date)}`;
  }
}

/** 7 -> "0:07", 92 -> "1:32", 3725 -> "1:02:05". */
export function clock(seconds) {
  const total = Math.max(0, Math.floor(seconds));
  const two = (value) => String(value).padStart(2, "0");
  const [hours, minutes] = [Math.floor(total / 3600), Math.floor(total / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(total % 60)}` : `${minutes}:${two(total % 60)}`;
}
