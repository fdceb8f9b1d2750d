import { dayLimit } from "@/api/calls";
import { words } from "@/lib/format";
import type { CallStatus } from "@/wire/CallStatus";
import type { Direction } from "@/wire/Direction";
import type { Upstream } from "@/wire/Upstream";

/** What the history is narrowed to, as it stands in the address; empty means no limit. */
export interface HistoryFilters {
  q: string;
  /** A state, or `any`; empty means calls that have ended. */
  status: CallStatus | "any" | "";
  direction: Direction | "";
  upstream: Upstream | "";
  agent: string;
  tag: string;
  /** A word of `RANGES`, or `first..last`: local days, inclusive, either of them may be missing. */
  when: string;
  /** At least that many seconds, as typed. */
  min: string;
}

export const NO_FILTERS: HistoryFilters = {
  q: "",
  status: "",
  direction: "",
  upstream: "",
  agent: "",
  tag: "",
  when: "",
  min: "",
};

const NAMES = Object.keys(NO_FILTERS) as (keyof HistoryFilters)[];

/** Ranges that move with time, by their words in the address. */
export const RANGES = [
  ["today", "Today", 0, 0],
  ["yesterday", "Yesterday", 1, 1],
  ["7d", "Last 7 days", 6, 0],
  ["30d", "Last 30 days", 29, 0],
] as const;

export const STATUSES: readonly (readonly [HistoryFilters["status"], string])[] = [
  ["", "Ended"],
  ["any", "Any state"],
  ...(["connecting", "ringing", "connected", "on_hold", "transferring"] as const).map(
    (status) => [status, words(status)] as const,
  ),
];

const VALID: Partial<Record<keyof HistoryFilters, RegExp>> = {
  status: /^(any|connecting|ringing|connected|on_hold|transferring|ended)$/,
  direction: /^(inbound|outbound|web)$/,
  upstream: /^[a-z_]{1,32}$/,
  when: /^(today|yesterday|7d|30d|(\d{4}-\d\d-\d\d)?\.\.(\d{4}-\d\d-\d\d)?)$/,
  min: /^\d{1,5}$/,
};

/** The filters of an address; what makes no sense in it does not limit. */
export function readFilters(search: string): HistoryFilters {
  const parameters = new URLSearchParams(search);
  const filters: Record<keyof HistoryFilters, string> = { ...NO_FILTERS };
  for (const name of NAMES) {
    const value = (parameters.get(name) ?? "").slice(0, 200);
    if (VALID[name]?.test(value) !== false) filters[name] = value;
  }
  return filters as HistoryFilters;
}

/** The address's part for filters, with its question mark; empty when nothing limits. */
export function writeFilters(filters: HistoryFilters): string {
  const parameters = new URLSearchParams();
  for (const name of NAMES) if (filters[name] !== "") parameters.set(name, filters[name]);
  const text = parameters.toString();
  return text === "" ? "" : `?${text}`;
}

/** Whether anything limits. */
export const isFiltered = (filters: HistoryFilters): boolean => writeFilters(filters) !== "";

const two = (value: number) => String(value).padStart(2, "0");

/** A local day, some days before `now`. */
function dayBefore(now: number, days: number): string {
  const at = new Date(now);
  at.setDate(at.getDate() - days);
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

/** First and last local day of a range; empty where it is open. */
export function daysOf(when: string, now: number): { first: string; last: string } {
  const moving = RANGES.find(([word]) => word === when);
  if (moving !== undefined) {
    return { first: dayBefore(now, moving[2]), last: dayBefore(now, moving[3]) };
  }
  const [first = "", last = ""] = when.split("..");
  return { first, last };
}

/** A range in the address for two days, of which either may be missing. */
export const whenOf = (first: string, last: string): string =>
  first === "" && last === "" ? "" : `${first}..${last}`;

/** A range in words. */
export function whenText(when: string): string {
  const moving = RANGES.find(([word]) => word === when);
  if (moving !== undefined) return moving[1];
  const { first, last } = daysOf(when, 0);
  if (first === last) return first;
  if (last === "") return `Since ${first}`;
  return first === "" ? `Until ${last}` : `${first} to ${last}`;
}

/** What to ask the server for. */
export function queryOf(filters: HistoryFilters, now: number) {
  const { first, last } = daysOf(filters.when, now);
  return {
    q: filters.q.trim(),
    status: filters.status === "any" ? "" : filters.status || "ended",
    direction: filters.direction,
    upstream: filters.upstream,
    agent: filters.agent.trim(),
    tag: filters.tag.trim(),
    from: dayLimit(first, false),
    to: dayLimit(last, true),
    min_duration: filters.min,
  };
}
