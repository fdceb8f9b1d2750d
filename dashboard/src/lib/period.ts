import type { Bucket } from "@/wire/Bucket";

/** Ranges to choose from. */
export const RANGES = [
  ["today", "Today"],
  ["week", "7 days"],
  ["month", "30 days"],
  ["custom", "Custom"],
] as const;
export type RangeName = (typeof RANGES)[number][0];

/** What was chosen: a range, and for a custom one its days (`YYYY-MM-DD`, local, inclusive). */
export interface Chosen {
  range: RangeName;
  fromDay: string;
  toDay: string;
}

/** A stretch of time that begins at a local midnight. */
export interface Period {
  from: Date;
  /** Itself not included. */
  to: Date;
  /** Days from its beginning to the beginning of the period before. */
  days: number;
}

/** Longest custom range, in days. */
export const MAX_DAYS = 366;
/** Longest range that is shown by the hour: more points than pixels help nobody. */
const MAX_HOURLY_DAYS = 31;

function midnight(at: Date, days = 0): Date {
  return new Date(at.getFullYear(), at.getMonth(), at.getDate() + days);
}

/** The same local time so many days later. */
function shifted(at: Date, days: number): Date {
  const moved = new Date(at);
  moved.setDate(moved.getDate() + days);
  return moved;
}

/** The local midnight that a day begins with. */
function dayOf(text: string): Date | undefined {
  const at = /^\d{4}-\d{2}-\d{2}$/.test(text) ? new Date(`${text}T00:00:00`) : new Date(NaN);
  return Number.isNaN(at.getTime()) ? undefined : at;
}

const LAST: Record<Exclude<RangeName, "custom">, number> = { today: 1, week: 7, month: 30 };

/** The period that is meant at `now`; what is wrong with it otherwise. Nothing of it is to come. */
export function periodOf({ range, fromDay, toDay }: Chosen, now: Date): Period | string {
  if (range !== "custom") {
    const days = LAST[range];
    return { from: midnight(now, 1 - days), to: now, days };
  }
  const [from, last] = [dayOf(fromDay), dayOf(toDay)];
  if (from === undefined || last === undefined) return "Choose the first and the last day.";
  const end = shifted(last, 1);
  const days = Math.round((end.getTime() - from.getTime()) / 86_400_000);
  if (days < 1) return "The last day is before the first.";
  if (from >= now) return "That is still to come.";
  if (days > MAX_DAYS) return `At most ${MAX_DAYS} days.`;
  return { from, to: end < now ? end : now, days };
}

/** As long, and as many days earlier. */
export function periodBefore({ from, to, days }: Period): Period {
  return { from: shifted(from, -days), to: shifted(to, -days), days };
}

/** How finely a period may be shown, the usual first. */
export function bucketsFor({ days }: Period): readonly Bucket[] {
  if (days <= 2) return ["hour", "day"];
  return days <= MAX_HOURLY_DAYS ? ["day", "hour"] : ["day"];
}

/** A point in time of a chart, with what was there a period earlier. */
export interface Point {
  /** Milliseconds. */
  at: number;
  value: number | null;
  before: number | null;
}

interface Started {
  start: string;
}

/**
 * Buckets as points. What a bucket of the period before says stands at the same local time, so many
 * days later: a changed clock moves nothing.
 */
export function points<B extends Started>(
  buckets: readonly B[],
  valueOf: (bucket: B) => number | null,
  before?: { buckets: readonly B[]; days: number },
): Point[] {
  const earlier = new Map<number, number | null>();
  for (const bucket of before?.buckets ?? []) {
    const at = shifted(new Date(bucket.start), before?.days ?? 0).getTime();
    earlier.set(at, valueOf(bucket));
  }
  return buckets.map((bucket) => {
    const at = Date.parse(bucket.start);
    return { at, value: valueOf(bucket), before: earlier.get(at) ?? null };
  });
}

/** Calls by weekday (Monday first) and hour, of hourly buckets. */
export function heat(buckets: readonly { start: string; calls: number }[]): number[][] {
  const grid = Array.from({ length: 7 }, () => new Array<number>(24).fill(0));
  for (const { start, calls } of buckets) {
    const at = new Date(start);
    const row = grid[(at.getDay() + 6) % 7];
    const hour = at.getHours();
    if (row !== undefined) row[hour] = (row[hour] ?? 0) + calls;
  }
  return grid;
}

/** How much more or less something is than before, in whole percent; nothing to compare: `null`. */
export function change(value: number, before: number | undefined): number | null {
  if (before === undefined || before === 0) return null;
  return Math.round(((value - before) / before) * 100);
}
