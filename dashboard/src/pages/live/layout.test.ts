import { expect, test } from "vitest";
import { callOf } from "@/testing/calls";
import { pinnedFirst, withPinToggled } from "./layout";

test("pinned calls stand first, as they were pinned, and the others stay in order", () => {
  const calls = ["a", "b", "c", "d"].map((id) => callOf({ id }));
  expect(pinnedFirst(calls, ["d", "gone", "b"]).map(({ id }) => id)).toEqual(["d", "b", "a", "c"]);
});

test("a pin is put on and taken off, and the oldest make room", () => {
  expect(withPinToggled(["a"], "b")).toEqual(["a", "b"]);
  expect(withPinToggled(["a", "b"], "a")).toEqual(["b"]);
  const full = Array.from({ length: 64 }, (_, at) => String(at));
  expect(withPinToggled(full, "new")).toHaveLength(64);
  expect(withPinToggled(full, "new").at(-1)).toBe("new");
});
