import { expect, test } from "vitest";
import { editedPills, isChanged, moved, newPill, readPills } from "./pills";

test("a message is moved past its neighbours, and never out of the list", () => {
  expect(moved(["a", "b", "c"], 2, 0)).toEqual(["c", "a", "b"]);
  expect(moved(["a", "b", "c"], 0, 1)).toEqual(["b", "a", "c"]);
  expect(moved(["a", "b"], 0, -1)).toEqual(["a", "b"]);
  expect(moved(["a", "b"], 1, 2)).toEqual(["a", "b"]);
});

test("rows that nobody filled in are not stored, and an empty label is none", () => {
  expect(
    readPills([newPill(" Slow down "), newPill("  ", "x"), newPill("Offer it", "Offer")]),
  ).toEqual([{ text: "Slow down" }, { text: "Offer it", label: "Offer" }]);
});

test("the order counts as a change, an empty row does not", () => {
  const stored = [{ text: "a" }, { text: "b" }];
  const edited = editedPills(stored);
  expect(isChanged([...edited, newPill()], stored)).toBe(false);
  expect(isChanged(moved(edited, 0, 1), stored)).toBe(true);
});
