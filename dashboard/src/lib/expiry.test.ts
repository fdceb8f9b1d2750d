import { expect, test } from "vitest";
import { expiresAt, keyState } from "./expiry";

const NOW = Date.parse("2026-10-30T12:00:00.000Z");

test("a key ends so many days from now, or never", () => {
  expect(expiresAt("30", NOW)).toBe("2026-11-29T12:00:00.000Z");
  expect(expiresAt("", NOW)).toBeUndefined();
});

test("a revoked key is revoked even if its time would be over too", () => {
  const past = "2026-10-01T00:00:00.000Z";
  expect(keyState({ revokedAt: past, expiresAt: past }, NOW)).toBe("revoked");
  expect(keyState({ expiresAt: past }, NOW)).toBe("expired");
  expect(keyState({ expiresAt: "2026-10-30T12:00:00.001Z" }, NOW)).toBe("active");
  expect(keyState({}, NOW)).toBe("active");
});
