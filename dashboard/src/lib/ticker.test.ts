import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { forgetServerTime, learnServerTime, serverNow } from "./ticker";

beforeEach(() => {
  vi.useFakeTimers({ now: new Date("2026-10-30T12:00:00Z") });
  forgetServerTime();
});
afterEach(() => vi.useRealTimers());

test("timers run on the server's clock, not on the browser's", () => {
  learnServerTime("2026-10-30T12:01:30.000Z");
  expect(serverNow()).toBe(Date.parse("2026-10-30T12:01:30Z"));
});

test("a message that was long under way does not set the clock back", () => {
  learnServerTime("2026-10-30T12:00:10.000Z");
  learnServerTime("2026-10-30T12:00:07.000Z");
  expect(serverNow()).toBe(Date.parse("2026-10-30T12:00:10Z"));
});

test("after a reconnection the difference is learned anew", () => {
  learnServerTime("2026-10-30T12:00:10.000Z");
  forgetServerTime();
  learnServerTime("2026-10-30T11:59:00.000Z");
  expect(serverNow()).toBe(Date.parse("2026-10-30T11:59:00Z"));
  learnServerTime("nonsense");
  expect(serverNow()).toBe(Date.parse("2026-10-30T11:59:00Z"));
});
