import { expect, test } from "vitest";
import { csv } from "./csv";

test("cells are quoted where they must be, and missing values are empty", () => {
  expect(
    csv(
      ["tag", "calls"],
      [
        ['a "b", c', 3],
        ["x", null],
      ],
    ),
  ).toBe('tag,calls\r\n"a ""b"", c",3\r\nx,\r\n');
});

test("what people wrote is no formula, numbers stay numbers", () => {
  expect(csv(["v"], [["=HYPERLINK(1)"], ["-1+2"], ["@x"], [-5]])).toBe(
    "v\r\n'=HYPERLINK(1)\r\n'-1+2\r\n'@x\r\n-5\r\n",
  );
});
