import { expect, test } from "vitest";
import { segmentOf } from "@/testing/transcripts";
import { LastLines } from "./last-lines";

test("the last line is the one that was said last, however the messages come", () => {
  const lines = new LastLines();
  const first = segmentOf({ id: "a", startMs: 1_000 });
  const second = segmentOf({ id: "b", startMs: 5_000 });
  lines.take({ callId: "c", segment: first, transcript: [second, first] });
  expect(lines.of("c")?.id).toBe("b");
  lines.take({ callId: "c", segment: { ...first, text: "late" } });
  expect(lines.of("c")?.id).toBe("b");
  lines.take({ callId: "c", segment: { ...second, text: "understood better" } });
  expect(lines.of("c")?.text).toBe("understood better");
});

test("only those who look at the call are told, and silence is no line", () => {
  const lines = new LastLines();
  let told = 0;
  const stop = lines.onLine("c", () => (told += 1));
  lines.take({ callId: "c", segment: segmentOf({ id: "a" }) });
  lines.take({ callId: "other", segment: segmentOf({ id: "a" }) });
  lines.take({ callId: "c", segment: segmentOf({ id: "b", startMs: 9_000, text: " " }) });
  stop();
  lines.take({ callId: "c", segment: segmentOf({ id: "d", startMs: 9_000 }) });
  expect(told).toBe(1);
});

test("calls of long ago are forgotten", () => {
  const lines = new LastLines();
  for (let call = 0; call <= 500; call += 1) {
    lines.take({ callId: String(call), segment: segmentOf({ id: "a" }) });
  }
  expect(lines.of("0")).toBeUndefined();
  expect(lines.of("500")).toBeDefined();
});
