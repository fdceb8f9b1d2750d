import { expect, test } from "vitest";
import { ApiError } from "@/api/client";
import { soundTrouble } from "./trouble";

const refused = (status: number, code: string) => new ApiError(status, code, "The detail.");

test("what is gone for good is told apart from what only has to be waited for", () => {
  expect(soundTrouble(refused(410, "recording_erased"))).toContain("was erased");
  expect(soundTrouble(refused(409, "recording_not_ready"))).toContain("Try again");
  expect(soundTrouble(refused(503, "store_unavailable"))).toContain("is safe");
  expect(soundTrouble(refused(503, "renditions_busy"))).toContain("converted");
  expect(soundTrouble(refused(500, "recording_unreadable"))).toContain("recordings check");
});

test("a refusal of something in between, without a word of ours, is still explained", () => {
  expect(soundTrouble(refused(503, "unknown"))).toContain("try again soon");
  expect(soundTrouble(refused(410, "unknown"))).toContain("was erased");
});

test("a reason that is not known here is told as the server told it", () => {
  expect(soundTrouble(refused(422, "no_such_channel"))).toBe("The detail.");
});
