import { expect, test } from "vitest";
import { ApiError } from "@/api/client";
import { callOf } from "@/testing/calls";
import { meOf } from "@/testing/me";
import { attemptTrouble, holderText, obstacle } from "./supervision-words";

const me = meOf({ id: "me" });

test("what can be done has no obstacle, and what cannot says why", () => {
  const incapable = { whisper_voice: "There is no agent in the call to whisper to." };
  const call = callOf({ capabilities: ["listen", "barge", "takeover"], incapable });
  expect(obstacle(call, me, "takeover")).toBeUndefined();
  expect(obstacle(call, me, "whisper_voice")).toContain("no agent in the call");
  expect(obstacle(call, meOf({ role: "auditor" }), "takeover")).toContain("Only supervisors");
});

test("an upstream that gives no reason is named", () => {
  const call = callOf({ upstream: "vapi", capabilities: ["listen"] });
  expect(obstacle(call, me, "takeover")).toBe("Vapi does not allow that from here now.");
});

test("who has the call is said from where one sits", () => {
  const control = { holder: "supervisor:me", since: "", version: 1, holderName: "Me" };
  expect(holderText(control, me, true)).toBe("You have the call.");
  expect(holderText(control, me, false)).toContain("another window");
  expect(holderText({ ...control, holder: "supervisor:ada", holderName: "Ada" }, me, false)).toBe(
    "Ada has the call.",
  );
  expect(holderText({ ...control, holder: "agent" }, me, false)).toBe("The agent has the call.");
});

test("a refusal says what it means and what to do", () => {
  const conflict = new ApiError(409, "control_conflict", "Ada has the call.");
  expect(attemptTrouble("takeover", conflict)).toMatch(/^Ada was faster .* You go on listening/);
  expect(attemptTrouble("handback", conflict)).toContain("Only they or an admin");
  const late = new ApiError(504, "gateway_timeout", "x");
  expect(attemptTrouble("whisper", late)).toContain("Try again. Your whisper was not heard.");
  const nowhere = new ApiError(409, "forwarding_number_missing", "x");
  expect(attemptTrouble("takeover", nowhere)).toMatch(/forwarding number .* The agent keeps/);
  const unconfirmed = new ApiError(503, "hand_back_unconfirmed", "x");
  expect(attemptTrouble("handback", unconfirmed)).not.toContain("You still have");
});
