import { expect, test } from "vitest";
import { ease, meterPosition } from "./level";

test("a meter is empty in silence, full in loud speech, and monotonic between", () => {
  expect(meterPosition(0)).toBe(0);
  expect(meterPosition(NaN)).toBe(0);
  expect(meterPosition(0.001)).toBe(0);
  expect(meterPosition(1)).toBe(1);
  const positions = [0.005, 0.02, 0.05, 0.1, 0.3].map(meterPosition);
  expect([...positions].sort((a, b) => a - b)).toEqual(positions);
  expect(new Set(positions).size).toBe(positions.length);
});

test("a meter rises faster than it falls and arrives in the end", () => {
  const risen = ease(0, 1, 16);
  const fallen = 1 - ease(1, 0, 16);
  expect(risen).toBeGreaterThan(fallen * 2);
  let shown = 1;
  for (let frame = 0; frame < 200; frame += 1) shown = ease(shown, 0, 16);
  expect(shown).toBe(0);
});

test("a meter moves the same over time whatever the frame rate", () => {
  let smooth = 0;
  for (let frame = 0; frame < 10; frame += 1) smooth = ease(smooth, 1, 6);
  expect(smooth).toBeCloseTo(ease(0, 1, 60), 6);
});
