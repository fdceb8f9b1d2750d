import { expect, test } from "vitest";
import { bucketsFor, change, heat, periodBefore, periodOf, points, type Period } from "./period";

const NOW = new Date(2026, 9, 30, 14, 30);
const NONE = { fromDay: "", toDay: "" };

function good(period: Period | string): Period {
  if (typeof period === "string") throw new Error(period);
  return period;
}

test("ranges are whole local days and end now", () => {
  const today = good(periodOf({ range: "today", ...NONE }, NOW));
  expect([today.from, today.to]).toEqual([new Date(2026, 9, 30), NOW]);
  const week = good(periodOf({ range: "week", ...NONE }, NOW));
  expect(week.from).toEqual(new Date(2026, 9, 24));
});

test("the period before is as long and ends at the same time of day", () => {
  const week = good(periodOf({ range: "week", ...NONE }, NOW));
  const before = periodBefore(week);
  expect(before.from).toEqual(new Date(2026, 9, 17));
  expect(before.to).toEqual(new Date(2026, 9, 23, 14, 30));
});

test("a custom range includes its last day, and nothing that is to come", () => {
  const past = good(periodOf({ range: "custom", fromDay: "2026-10-01", toDay: "2026-10-02" }, NOW));
  expect([past.from, past.to, past.days]).toEqual([new Date(2026, 9, 1), new Date(2026, 9, 3), 2]);
  const open = good(periodOf({ range: "custom", fromDay: "2026-10-30", toDay: "2026-11-05" }, NOW));
  expect(open.to).toEqual(NOW);
});

test("a custom range that makes no sense says why", () => {
  const wrong = (fromDay: string, toDay: string) =>
    periodOf({ range: "custom", fromDay, toDay }, NOW);
  expect(wrong("", "2026-10-01")).toContain("Choose");
  expect(wrong("2026-10-02", "2026-10-01")).toContain("before the first");
  expect(wrong("2026-11-02", "2026-11-03")).toContain("to come");
  expect(wrong("2020-01-01", "2026-10-01")).toContain("At most");
});

test("long periods are shown by the day only, short ones by the hour first", () => {
  const of = (days: number) => bucketsFor({ from: NOW, to: NOW, days });
  expect(of(1)).toEqual(["hour", "day"]);
  expect(of(7)).toEqual(["day", "hour"]);
  expect(of(90)).toEqual(["day"]);
});

const bucket = (at: Date, calls: number) => ({ start: at.toISOString(), calls });

test("what was before stands at the same local time, whatever lies between", () => {
  const days = 7;
  // in many zones the clock was changed in between
  const now = [bucket(new Date(2026, 9, 26, 9), 5), bucket(new Date(2026, 9, 26, 10), 6)];
  const before = [bucket(new Date(2026, 9, 19, 10), 3), bucket(new Date(2026, 9, 19, 9), 2)];
  const found = points(now, ({ calls }) => calls, { buckets: before, days });
  expect(found.map(({ value, before: earlier }) => [value, earlier])).toEqual([
    [5, 2],
    [6, 3],
  ]);
});

test("without a period before there is nothing to compare", () => {
  expect(points([bucket(NOW, 1)], ({ calls }) => calls)[0]?.before).toBeNull();
  expect(change(5, undefined)).toBeNull();
  expect(change(5, 0)).toBeNull();
  expect(change(3, 4)).toBe(-25);
});

test("the heat map adds up the same hours of the same weekdays, Monday first", () => {
  const grid = heat([
    bucket(new Date(2026, 9, 26, 9), 5), // a Monday
    bucket(new Date(2026, 9, 19, 9), 2), // the one before
    bucket(new Date(2026, 10, 1, 23), 1), // a Sunday
  ]);
  expect(grid[0]?.[9]).toBe(7);
  expect(grid[6]?.[23]).toBe(1);
  expect(grid.flat().reduce((sum, each) => sum + each)).toBe(8);
});
