import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { CallTime } from "./call-time";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

function player() {
  const listeners = new Set<() => void>();
  const fake = {
    positionMs: 0,
    playing: false,
    seekTo: (ms: number) => {
      fake.positionMs = ms;
      listeners.forEach((each) => each());
    },
    play: () => {
      fake.playing = true;
      listeners.forEach((each) => each());
      return Promise.resolve();
    },
    state: () => ({ playing: fake.playing, loading: false, rate: 1, switches: [] }),
    subscribe: (listener: () => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  return fake;
}

test("a moment of the call is sought in the recording that has it", () => {
  const time = new CallTime();
  const [first, second] = [player(), player()];
  time.add("a", { startMs: 1_000, endMs: 5_000, player: first });
  time.add("b", { startMs: 9_000, endMs: 20_000, player: second });
  time.seekTo(3_000);
  expect(first.positionMs).toBe(2_000);
  expect(time.positionMs).toBe(3_000);
  time.playFrom(10_000);
  expect(second.positionMs).toBe(1_000);
  expect(second.playing).toBe(true);
  expect(time.positionMs).toBe(10_000);
});

test("a moment that nothing was recorded of leaves everything where it is", () => {
  const time = new CallTime();
  const only = player();
  time.add("a", { startMs: 1_000, endMs: 5_000, player: only });
  time.playFrom(7_000);
  expect(time.has(7_000)).toBe(false);
  expect(only.playing).toBe(false);
  expect(time.positionMs).toBeUndefined();
});

test("the position is told while it plays, and costs nothing while it does not", () => {
  const time = new CallTime();
  const only = player();
  const remove = time.add("a", { startMs: 0, endMs: 5_000, player: only });
  let told = 0;
  const stop = time.subscribe(() => (told += 1));
  expect(vi.getTimerCount()).toBe(0);
  time.playFrom(0);
  const before = told;
  vi.advanceTimersByTime(1_000);
  expect(told).toBe(before + 5);
  remove();
  expect(vi.getTimerCount()).toBe(0);
  stop();
});
