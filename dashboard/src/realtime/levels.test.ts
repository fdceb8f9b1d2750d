import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Levels } from "./levels";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const message = (customer: number, agent: number, currentSpeaker?: "customer" | "agent") => ({
  callId: "1",
  customer,
  agent,
  ...(currentSpeaker === undefined ? {} : { currentSpeaker }),
});

test("a meter reads the last level of its party", () => {
  const levels = new Levels();
  levels.take(message(0.2, 0.1), 1000);
  expect(levels.read("1", "customer", 1100)).toBe(0.2);
  expect(levels.read("1", "agent", 1100)).toBe(0.1);
  expect(levels.read("2", "agent", 1100)).toBe(0);
});

test("a level that is not renewed falls to rest", () => {
  const levels = new Levels();
  levels.take(message(0.2, 0.1), 1000);
  expect(levels.read("1", "customer", 4000)).toBe(0);
});

test("only another speaker is news", () => {
  const levels = new Levels();
  let news = 0;
  const stop = levels.onSpeaker("1", () => (news += 1));
  levels.take(message(0.2, 0, "customer"), 0);
  levels.take(message(0.3, 0, "customer"), 250);
  expect(news).toBe(1);
  levels.take(message(0, 0.3, "agent"), 500);
  expect(news).toBe(2);
  expect(levels.speaker("1")).toBe("agent");
  stop();
  levels.take(message(0, 0), 750);
  expect(news).toBe(2);
});

test("nobody speaks in a call that is not heard of any more", () => {
  const levels = new Levels();
  let news = 0;
  levels.onSpeaker("1", () => (news += 1));
  levels.take(message(0.2, 0, "customer"), 0);
  vi.advanceTimersByTime(1_000);
  levels.take(message(0.2, 0, "customer"), 1_000);
  vi.advanceTimersByTime(1_000);
  expect(levels.speaker("1")).toBe("customer");
  vi.advanceTimersByTime(1_000);
  expect(levels.speaker("1")).toBeUndefined();
  expect(news).toBe(2);
});
