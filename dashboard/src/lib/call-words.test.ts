import { expect, test } from "vitest";
import { endText } from "./call-words";

test("a call's end is told in words, also when its code is a vendor's", () => {
  expect(endText({ class: "completed", code: "participants_left" })).toBe(
    "Ran its course: everybody left",
  );
  expect(endText({ class: "callee", code: "dial_no_answer" })).toBe(
    "The called party ended it: dial no answer",
  );
  expect(endText({ class: "unknown", code: "" })).toBe("Not known why");
});
