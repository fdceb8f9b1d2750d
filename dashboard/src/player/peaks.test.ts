import { expect, test } from "vitest";
import { laneHeight, peaks } from "./peaks";

test("every stretch shows its loudest sample, whichever its sign", () => {
  const samples = new Float32Array([0, 0.5, -0.75, 0.25, 0, 0, 0.125, -1]);
  expect([...peaks(samples, 4)]).toEqual([0.5, 0.75, 0, 1]);
});

test("no sample falls between two stretches", () => {
  for (const length of [1, 7, 1000, 1601]) {
    for (let loud = 0; loud < length; loud += Math.ceil(length / 50)) {
      const samples = new Float32Array(length);
      samples[loud] = 1;
      expect(Math.max(...peaks(samples, 37)), `${loud} of ${length}`).toBe(1);
    }
  }
});

test("a recording without samples is a flat line", () => {
  expect([...peaks(new Float32Array(0), 3)]).toEqual([0, 0, 0]);
});

test("heights stay in the lane", () => {
  expect(laneHeight(-1)).toBe(0);
  expect(laneHeight(0.25)).toBe(0.5);
  expect(laneHeight(4)).toBe(1);
});
