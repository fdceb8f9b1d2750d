import { expect, test } from "vitest";
import { AHEAD_SECONDS, endOf, MOST_SECONDS, Playout, sidesOf } from "./feed";

const PIECE = 0.02;

test("pieces that come in time follow each other without a seam", () => {
  const playout = new Playout();
  const times = Array.from({ length: 50 }, (_, n) => playout.place(5 + n * PIECE, PIECE) ?? -1);
  times.forEach((time, n) => expect(time).toBeCloseTo(5 + AHEAD_SECONDS + n * PIECE, 6));
});

test("what comes late is played at once, a little after it came", () => {
  const playout = new Playout();
  playout.place(5, PIECE);
  expect(playout.place(7, PIECE)).toBeCloseTo(7 + AHEAD_SECONDS, 6);
});

test("what comes faster than it is played is left out, and no more than that", () => {
  const playout = new Playout();
  let played = 0;
  for (let n = 0; n < 500; n += 1) if (playout.place(5, PIECE) !== undefined) played += 1;
  expect(played * PIECE).toBeLessThanOrEqual(MOST_SECONDS + PIECE);
  const at = playout.place(5 + 2 * PIECE, PIECE) ?? 0;
  expect(at).toBeLessThanOrEqual(5 + 2 * PIECE + MOST_SECONDS);
});

test("the customer is left and the agent right", () => {
  const bytes = new DataView(new ArrayBuffer(10));
  [16_384, -32_768, 0, 8_192].forEach((sample, n) => bytes.setInt16(n * 2, sample, true));
  const [left, right] = sidesOf(bytes.buffer);
  expect([...left]).toEqual([0.5, 0]);
  expect([...right]).toEqual([-1, 0.25]);
});

test("only what was lost is asked for again", () => {
  expect([1000, 4404].map(endOf)).toEqual(["over", "over"]);
  expect(endOf(4403)).toBe("removed");
  expect([1006, 1011, 1012, 1013, 4401, 4408].map(endOf)).toEqual(Array(6).fill("lost"));
});
