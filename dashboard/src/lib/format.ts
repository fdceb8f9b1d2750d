/** `m:ss`, or `h:mm:ss` from an hour on. Negative and broken values read as `0:00`. */
export function duration(seconds: number): string {
  const whole = Number.isFinite(seconds) ? Math.max(0, Math.floor(seconds)) : 0;
  const two = (value: number) => String(value).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  return hours > 0
    ? `${hours}:${two(minutes)}:${two(whole % 60)}`
    : `${minutes}:${two(whole % 60)}`;
}

/** A duration for screen readers: `2 minutes 5 seconds`. */
export function spokenDuration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const part = (count: number, word: string) =>
    count === 0 ? "" : `${count} ${word}${count === 1 ? "" : "s"} `;
  const text =
    part(Math.floor(whole / 3600), "hour") +
    part(Math.floor((whole % 3600) / 60), "minute") +
    part(whole % 60, "second");
  return text.trim() || "0 seconds";
}

const time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const toTheSecond = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const dayAndTime = new Intl.DateTimeFormat(undefined, {
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
});
const withZone = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });

/** Local time: the hour alone for today, with the day otherwise. */
export function moment(rfc3339: string, now: number): string {
  const at = new Date(rfc3339);
  if (Number.isNaN(at.getTime())) return "";
  const today = new Date(now).toDateString() === at.toDateString();
  return (today ? time : dayAndTime).format(at);
}

/** Local time to the second. */
export function timeWithSeconds(rfc3339: string): string {
  const at = new Date(rfc3339);
  return Number.isNaN(at.getTime()) ? "" : toTheSecond.format(at);
}

/** Local date and time with the zone's name, for hovering. */
export function momentWithZone(rfc3339: string): string {
  const at = new Date(rfc3339);
  return Number.isNaN(at.getTime()) ? "" : withZone.format(at);
}

/** `512 B`, `34 kB`, `1.2 MB`, `8.0 GB`. */
export function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1_000_000) return `${Math.round(bytes / 1000)} kB`;
  if (bytes < 1_000_000_000) return `${(bytes / 1_000_000).toFixed(1)} MB`;
  return `${(bytes / 1_000_000_000).toFixed(1)} GB`;
}

/** An operator's text as a sentence. */
export function sentence(text: string): string {
  const end = /[.!?…]$/.test(text) ? "" : ".";
  return text.charAt(0).toUpperCase() + text.slice(1) + end;
}

/** A machine's word for people: `on_hold` reads `On hold`. */
export function words(snakeCase: string): string {
  const text = snakeCase.replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}
