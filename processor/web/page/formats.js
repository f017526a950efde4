// Numbers, shares, sizes and times as people read them. Times are UTC, as in the logs.

export const number = (value, digits = 0) =>
  value.toLocaleString("en", { maximumFractionDigits: digits });
export const rate = (value) => `${number(value, value < 10 ? 1 : 0)}/s`;
export const share = (value) => `${Math.round(value * 100)} %`;
export const sum = (values) => values.reduce((total, value) => total + (value || 0), 0);
export const counted = (count, one, several) => `${number(count)} ${count === 1 ? one : several}`;

export function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) { value /= 1024; unit += 1; }
  return `${number(value, unit ? 1 : 0)} ${units[unit]}`;
}

export function age(seconds) {
  if (seconds < 120) return `${number(seconds, seconds < 10 ? 1 : 0)} s`;
  if (seconds < 7200) return `${number(seconds / 60)} min`;
  if (seconds < 172800) return `${number(seconds / 3600)} h`;
  return `${number(seconds / 86400)} days`;
}

// The second of a time, in milliseconds since 1970: 2026-03-01T12:00:00Z; nothing where it is no time.
export function second(ms) {
  const time = new Date(ms);
  return ms === null || ms === undefined || Number.isNaN(time.getTime()) ? "" : `${time.toISOString().slice(0, 19)}Z`;
}

// The time of a day, 12:00:00Z.
export const clock = (ms) => second(ms).slice(11);

// Date and time of something that somebody did: 1 Mar 2026, 12:00 UTC.
export function when(ms) {
  if (!second(ms)) return "";
  const day = new Date(ms).toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
  return `${day}, ${second(ms).slice(11, 16)} UTC`;
}
