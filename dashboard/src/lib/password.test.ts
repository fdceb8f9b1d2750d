import { expect, test } from "vitest";
import { newPassword } from "./password";

test("a made password is long, different each time, and has nothing that is misread", () => {
  const made = Array.from({ length: 200 }, newPassword);
  expect(new Set(made).size).toBe(200);
  for (const password of made) expect(password).toMatch(/^[a-km-zA-HJ-NP-Z2-9]{16}$/);
});
