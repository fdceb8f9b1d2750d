import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Streams } from "./streams";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

function recorded(): [Streams, string[]] {
  const sent: string[] = [];
  return [new Streams((act, stream) => sent.push(`${act} ${stream}`)), sent];
}

test("a stream is subscribed once, however many want it", () => {
  const [streams, sent] = recorded();
  const first = streams.want("call:1");
  const second = streams.want("call:1");
  expect(sent).toEqual(["subscribe call:1"]);
  first();
  first(); // releasing twice counts once
  vi.runAllTimers();
  expect(sent).toHaveLength(1);
  second();
  vi.runAllTimers();
  expect(sent).toEqual(["subscribe call:1", "unsubscribe call:1"]);
});

test("a row that scrolls out and in again costs no messages", () => {
  const [streams, sent] = recorded();
  streams.want("call:1")();
  vi.advanceTimersByTime(500);
  streams.want("call:1");
  vi.runAllTimers();
  expect(sent).toEqual(["subscribe call:1"]);
});

test("after a reconnection everything that is wanted is subscribed again", () => {
  const [streams, sent] = recorded();
  streams.want("calls");
  streams.want("call:1")();
  streams.want("call:2");
  sent.length = 0;
  streams.announceAll();
  vi.runAllTimers();
  expect(sent).toEqual(["subscribe calls", "subscribe call:2"]);
});
