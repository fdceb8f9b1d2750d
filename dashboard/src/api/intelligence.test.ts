import { expect, test } from "vitest";
import { callOf } from "@/testing/calls";
import type { LiveIntelligence } from "@/wire/LiveIntelligence";
import { hasIntelligence, withPart } from "./intelligence";

const known: LiveIntelligence = {
  call: callOf({ id: "c" }),
  metrics: {},
  phases: [],
  objectives: [],
  nextActions: [],
  coaching: [],
  sentiment: null,
  system: null,
  versions: {},
};

const update = (version: number, score: number) =>
  ({
    callId: "c",
    part: "sentiment",
    version,
    value: { score, label: "calm" },
    updatedAt: "2026-10-30T12:00:00.000Z",
  }) as const;

test("a part is put over the others, and an older one that comes late changes nothing", () => {
  expect(hasIntelligence(known)).toBe(false);
  const second = withPart(known, update(2, 0.5));
  expect(second.sentiment).toEqual({ score: 0.5, label: "calm" });
  expect(hasIntelligence(second)).toBe(true);
  expect(withPart(second, update(1, -1))).toBe(second);
  expect(withPart(second, update(2, -1))).toBe(second);
});
