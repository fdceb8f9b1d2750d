import { expect, test } from "vitest";
import { duration, moment, size, spokenDuration, words } from "./format";

test("durations have minutes and seconds, and hours from an hour on", () => {
  expect(duration(0)).toBe("0:00");
  expect(duration(65.9)).toBe("1:05");
  expect(duration(3599)).toBe("59:59");
  expect(duration(3600)).toBe("1:00:00");
  expect(duration(36_061)).toBe("10:01:01");
});

test("a duration that makes no sense reads as nothing", () => {
  expect(duration(-3)).toBe("0:00");
  expect(duration(NaN)).toBe("0:00");
  expect(duration(Infinity)).toBe("0:00");
});

test("durations are spoken in whole words", () => {
  expect(spokenDuration(0)).toBe("0 seconds");
  expect(spokenDuration(61)).toBe("1 minute 1 second");
  expect(spokenDuration(7325)).toBe("2 hours 2 minutes 5 seconds");
});

test("a moment of today has no day, and another one has", () => {
  const now = new Date(2026, 9, 30, 18, 0).getTime();
  const today = new Date(2026, 9, 30, 9, 5).toISOString();
  const before = new Date(2026, 9, 28, 9, 5).toISOString();
  expect(moment(today, now)).not.toContain("28");
  expect(moment(before, now)).toContain("28");
  expect(moment("yesterday", now)).toBe("");
});

test("sizes and machine words are for people", () => {
  expect(size(512)).toBe("512 B");
  expect(size(160_400)).toBe("160 kB");
  expect(size(1_234_567)).toBe("1.2 MB");
  expect(size(8e9)).toBe("8.0 GB");
  expect(words("on_hold")).toBe("On hold");
});
