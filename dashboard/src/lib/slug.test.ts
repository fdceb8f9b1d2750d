import { expect, test } from "vitest";
import { slugOf } from "./slug";

test("a slug is the name in plain letters with hyphens between its words", () => {
  expect(slugOf(" Müller & Söhne GmbH ")).toBe("muller-sohne-gmbh");
  expect(slugOf("Straße 7")).toBe("strasse-7");
});

test("a slug never begins or ends with a hyphen, however long the name is", () => {
  expect(slugOf(`${"a".repeat(62)} b`)).toBe("a".repeat(62));
  expect(slugOf("—")).toBe("");
});
