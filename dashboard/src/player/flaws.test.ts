import { expect, test } from "vitest";
import { recordingOf } from "@/testing/recordings";
import { flawAt, flawsOf } from "./flaws";

const recording = recordingOf({
  gaps: [
    { fromMs: 30_000, toMs: 31_000, reason: "loss" },
    { fromMs: 4_000, toMs: 9_000, reason: "disconnected" },
  ],
  pauses: [
    { fromMs: 8_000, toMs: 20_000, by: "01890000-0000-7000-8000-000000000001" },
    { fromMs: 40_000, toMs: 41_000, by: "rule:dtmf" },
  ],
});

test("gaps and pauses stand in the order of the recording, each with its reason", () => {
  const flaws = flawsOf(recording);
  expect(flaws.map(({ fromMs, title }) => [fromMs, title])).toEqual([
    [4_000, "Connection lost"],
    [8_000, "Paused by a colleague"],
    [30_000, "Packets lost"],
    [40_000, "Paused by a keypad digit"],
  ]);
  expect(flaws.every(({ why }) => why.length > 20)).toBe(true);
});

test("the one who paused reads that it was them", () => {
  const flaws = flawsOf(recording, "01890000-0000-7000-8000-000000000001");
  expect(flaws[1]?.title).toBe("Paused by you");
});

test("where a pause and a gap overlap, the pause explains the silence", () => {
  const flaws = flawsOf(recording);
  expect(flawAt(flaws, 8_500)?.kind).toBe("pause");
  expect(flawAt(flaws, 5_000)?.kind).toBe("gap");
  expect(flawAt(flaws, 25_000)).toBeUndefined();
});
