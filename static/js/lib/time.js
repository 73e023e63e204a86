// Times in the reader's own words. The server writes <time datetime=… data-time="clock|day|date|ago">.

const STYLES = {
  clock: { hour: "numeric", minute: "2-digit" },
  day: { weekday: "long", day: "numeric", month: "long" },
  date: { dateStyle: "medium" },
  full: { dateStyle: "medium", timeStyle: "short" },
};
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

function day(date) {
  const midnight = (value) => new Date(value.getFullYear(), value.getMonth(), value.getDate()).getTime();
  const days = Math.round((midnight(date) - midnight(new Date())) / 86_400_000);
  if (days === 0) return "Today";
  if (days === -1) return "Yesterday";
  return new Intl.DateTimeFormat(undefined, STYLES.day).format(date);
}

export function showTimes(root = document) {
  for (const element of root.querySelectorAll("time[data-time]")) {
    const date = new Date(element.dateTime);
    if (Number.isNaN(date.getTime())) continue;
    const style = element.dataset.time;
    if (style === "ago") element.textContent = ago(date);
    else if (style === "day") element.textContent = day(date);
    else element.textContent = new Intl.DateTimeFormat(undefined, STYLES[style]).format(date);
    if (style !== "full") element.title = new Intl.DateTimeFormat(undefined, STYLES.full).format(date);
  }
}

/** 7 -> "0:07", 92 -> "1:32", 3725 -> "1:02:05". */
export function clock(seconds) {
  const total = Math.max(0, Math.floor(seconds));
  const two = (value) => String(value).padStart(2, "0");
  const [hours, minutes] = [Math.floor(total / 3600), Math.floor(total / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(total % 60)}` : `${minutes}:${two(total % 60)}`;
}
