import { expect, test } from "vitest";
import { ApiError } from "@/api/client";
import { formErrors } from "./form";

const refused = (fields: Record<string, string>) =>
  new ApiError(422, "validation_failed", "Wrong.", undefined, new Map(Object.entries(fields)));

test("what is wrong with a field is said at the field", () => {
  const errors = formErrors(refused({ slug: "Is taken." }), ["name", "slug"]);
  expect(errors.of("slug")).toBe("Is taken.");
  expect(errors.of("name")).toBeUndefined();
  expect(errors.general).toBeUndefined();
});

test("what is wrong with a field that the form does not have is not lost", () => {
  expect(formErrors(refused({ kind: "Is unknown." }), ["name"]).general).toBe("kind: Is unknown.");
});

test("any other failure is said at the foot, and no failure is silent about everything", () => {
  expect(formErrors(new ApiError(409, "last_admin", "The last one."), []).general).toBe(
    "The last one.",
  );
  expect(formErrors(null, ["name"]).general).toBeUndefined();
});

test("what is wrong with an item of a list is said at the list", () => {
  const errors = formErrors(refused({ "numbers[3]": "Is empty." }), ["numbers"]);
  expect(errors.of("numbers")).toBe("Is empty.");
  expect(errors.general).toBeUndefined();
});
