import { expect, test } from "vitest";
import {
  daysOf,
  isFiltered,
  NO_FILTERS,
  queryOf,
  readFilters,
  whenOf,
  whenText,
  writeFilters,
  type HistoryFilters,
} from "./filters";

const NOW = new Date(2026, 2, 1, 12).getTime(); // the day after the last one of February

test("an address means the filters that wrote it", () => {
  const filters: HistoryFilters = {
    q: "o'neil & sons",
    status: "any",
    direction: "inbound",
    upstream: "retell",
    agent: "Ava",
    tag: "vip",
    when: "2026-02-01..",
    min: "60",
  };
  expect(readFilters(writeFilters(filters))).toEqual(filters);
  expect(writeFilters(NO_FILTERS)).toBe("");
  expect(isFiltered(readFilters(""))).toBe(false);
});

test("what makes no sense in an address does not limit", () => {
  const search = "?status=dead&direction=up&when=2026&min=-1&upstream=<b>&unknown=1&q=x";
  expect(readFilters(search)).toEqual({ ...NO_FILTERS, q: "x" });
});

test("without a state it is ended calls that are asked for, and any state is no state", () => {
  expect(queryOf(NO_FILTERS, NOW).status).toBe("ended");
  expect(queryOf({ ...NO_FILTERS, status: "any" }, NOW).status).toBe("");
  expect(queryOf({ ...NO_FILTERS, status: "on_hold" }, NOW).status).toBe("on_hold");
});

test("ranges that move with time are days of the person's calendar", () => {
  expect(daysOf("today", NOW)).toEqual({ first: "2026-03-01", last: "2026-03-01" });
  expect(daysOf("yesterday", NOW)).toEqual({ first: "2026-02-28", last: "2026-02-28" });
  expect(daysOf("7d", NOW)).toEqual({ first: "2026-02-23", last: "2026-03-01" });
});

test("a range may be open at either end", () => {
  expect(queryOf({ ...NO_FILTERS, when: "2026-02-01.." }, NOW)).toMatchObject({ to: undefined });
  expect(queryOf({ ...NO_FILTERS, when: "..2026-02-01" }, NOW)).toMatchObject({ from: undefined });
  expect(whenOf("", "")).toBe("");
  expect(whenText("2026-02-01..")).toBe("Since 2026-02-01");
  expect(whenText("..2026-02-01")).toBe("Until 2026-02-01");
  expect(whenText("2026-02-01..2026-02-01")).toBe("2026-02-01");
  expect(whenText("7d")).toBe("Last 7 days");
});
