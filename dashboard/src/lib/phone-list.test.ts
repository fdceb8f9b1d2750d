import { expect, test } from "vitest";
import { readNumbers } from "./phone-list";

test("numbers are read as people write them, each once", () => {
  expect(readNumbers("+49 30 1234-5678, +1 (415) 555.0100\n\n+493012345678;")).toEqual([
    "+493012345678",
    "+14155550100",
  ]);
});

test("nothing typed is no number", () => {
  expect(readNumbers(" \n , ")).toEqual([]);
});
