/** Times in words, in the reader's locale and time zone. All arguments in milliseconds since 1970. */

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const clockFormat = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const weekdayFormat = new Intl.DateTimeFormat(undefined, { weekday: "short" });
const dayFormat = new Intl.DateTimeFormat(undefined, {
  weekday: "long",
  day: "numeric",
  month: "long",
});
const dayYearFormat = new Intl.DateTimeFormat(undefined, {
  day: "numeric",
  month: "long",
  year: "numeric",
});
const shortDateFormat = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const numericDateFormat = new Intl.DateTimeFormat(undefined, { dateStyle: "short" });
const fullFormat = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "short" });

/** Calendar days between two moments: 0 the same day, 1 the day before. Daylight saving does not count. */
function daysBefore(at: number, now: number): number {
  const day = (value: number) => {
    const date = new Date(value);
    return Date.UTC(date.getFullYear(), date.getMonth(), date.getDate());
  };
  return Math.round((day(now) - day(at)) / (24 * HOUR));
}

const sameYear = (a: number, b: number): boolean =>
  new Date(a).getFullYear() === new Date(b).getFullYear();

export const clockTime = (at: number): string => clockFormat.format(at);
export const fullTime = (at: number): string => fullFormat.format(at);
export const isoTime = (at: number): string => new Date(at).toISOString();

export function dayTitle(at: number, now: number): string {
  const days = daysBefore(at, now);
  if (days === 0) return "Today";
  if (days === 1) return "Yesterday";
  return sameYear(at, now) ? dayFormat.format(at) : dayYearFormat.format(at);
}

/** For the conversation list: as short as tells the moment apart. */
export function listTime(at: number, now: number): string {
  const days = daysBefore(at, now);
  if (days === 0) return clockTime(at);
  if (days === 1) return "Yesterday";
  if (days > 1 && days < 7) return weekdayFormat.format(at);
  return sameYear(at, now) ? shortDateFormat.format(at) : numericDateFormat.format(at);
}

export function lastSeenWords(at: number, now: number): string {
  const age = now - at;
  if (age < MINUTE) return "last seen just now";
  if (age < HOUR) return `last seen ${Math.floor(age / MINUTE)} min ago`;
  const clock = daysBefore(at, now) <= 1 ? ` at ${clockTime(at)}` : "";
  return `last seen ${dayWords(at, now)}${clock}`;
}

/** A day in the middle of a sentence. */
export function dayWords(at: number, now: number): string {
  const days = daysBefore(at, now);
  if (days === 0) return "today";
  if (days === 1) return "yesterday";
  return sameYear(at, now) ? shortDateFormat.format(at) : dayYearFormat.format(at);
}
