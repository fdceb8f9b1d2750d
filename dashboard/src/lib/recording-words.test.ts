import { expect, test } from "vitest";
import { ApiError } from "@/api/client";
import type { Acting } from "@/api/recording-acts";
import type { RecordingFlag } from "@/wire/RecordingFlag";
import { actTrouble, lampMeaning, lampOf, nextAct, pausedBy, secondsLeft } from "./recording-words";

const at = "2026-10-30T12:00:00.000Z";
const recording: RecordingFlag = { state: "recording", startedAt: at };
const paused: RecordingFlag = { state: "paused", startedAt: at, pausedAt: at };
const unconfirmed = new ApiError(503, "recording_pause_unconfirmed", "Not confirmed.");
const failed = (act: Acting["act"], error: unknown): Acting => ({ act, status: "failed", error });

test("the light says what the server says", () => {
  for (const state of ["off", "recording", "degraded", "failed"] as const) {
    expect(lampOf({ state }, undefined)).toBe(state);
  }
  expect(lampOf(paused, undefined)).toBe("paused");
});

test("a pause that was asked for is not called a pause before it is confirmed", () => {
  expect(lampOf(recording, { act: "pause", status: "pending" })).toBe("pausing");
  expect(lampOf(paused, { act: "pause", status: "pending" })).toBe("pausing");
  expect(lampOf(paused, { act: "resume", status: "pending" })).toBe("resuming");
});

test("a refused act falls back to what the server says", () => {
  const error = new ApiError(500, "internal", "Broken.");
  expect(lampOf(recording, failed("pause", error))).toBe("recording");
  expect(lampOf(paused, failed("resume", error))).toBe("paused");
});

test("a pause that is noted and not confirmed is not shown as one, on any screen", () => {
  expect(lampOf({ ...recording, pausedAt: at }, undefined)).toBe("unconfirmed");
  expect(lampOf({ ...recording, state: "degraded", pausedAt: at }, undefined)).toBe("unconfirmed");
});

test("an old failure says nothing about what happened since", () => {
  expect(lampOf(recording, failed("pause", unconfirmed))).toBe("recording");
  expect(lampOf(paused, failed("pause", unconfirmed))).toBe("paused");
  expect(actTrouble(failed("pause", unconfirmed), "paused")).toBeUndefined();
});

test("a recording that failed is not called paused", () => {
  expect(lampOf({ ...paused, state: "failed" }, undefined)).toBe("failed");
});

test("the next press pauses what runs or is in doubt, and resumes only what is paused", () => {
  expect((["recording", "degraded", "unconfirmed"] as const).map(nextAct)).toEqual([
    "pause",
    "pause",
    "pause",
  ]);
  expect(nextAct("paused")).toBe("resume");
  for (const lamp of ["off", "failed", "pausing", "resuming"] as const) {
    expect(nextAct(lamp)).toBeUndefined();
  }
});

test("every state has a meaning of its own, with its time where there is one", () => {
  const lamps = ["off", "recording", "degraded", "failed", "pausing", "unconfirmed", "paused"];
  const meanings = lamps.map((lamp) => lampMeaning(lamp as "off", paused));
  expect(new Set(meanings).size).toBe(lamps.length);
  expect(lampMeaning("paused", paused)).toContain(" since ");
  expect(lampMeaning("paused", paused)).not.toContain("by itself");
  expect(lampMeaning("paused", { ...paused, resumeAt: at })).toContain("by itself at");
});

test("the countdown is in whole seconds and ends at nothing", () => {
  const flag = { ...paused, resumeAt: "2026-10-30T12:02:00.000Z" };
  expect(secondsLeft(flag, Date.parse(at))).toBe(120);
  expect(secondsLeft(flag, Date.parse(at) + 119_400)).toBe(1);
  expect(secondsLeft(flag, Date.parse(at) + 600_000)).toBe(0);
  expect(secondsLeft(paused, Date.parse(at))).toBeUndefined();
});

test("nobody is asked to read an id", () => {
  const id = "01890000-0000-7000-8000-000000000001";
  expect(pausedBy(id, id)).toBe("by you");
  expect(pausedBy(id, undefined)).toBe("by a colleague");
  expect(pausedBy("rule:dtmf", id)).toBe("by a keypad digit");
  expect(pausedBy("rule:card_form", id)).toBe("by the rule “Card form”");
  expect(pausedBy(undefined, id)).toBe("");
});

test("whoever could not pause is told to keep the caller from reading the number", () => {
  const unconfirmedText = actTrouble(failed("pause", unconfirmed), "unconfirmed");
  expect(unconfirmedText).toContain("not to read the number yet");
  const gone = new ApiError(0, "unreachable", "Gone.");
  expect(actTrouble(failed("pause", gone), "recording")).toContain("ask the caller to wait");
});

test("a call that nobody carries is told apart from one that has ended", () => {
  const texts = ["call_not_live", "call_ended"].map((code) =>
    actTrouble(failed("pause", new ApiError(409, code, "The detail.")), "recording"),
  );
  expect(texts[0]).toContain("It is noted");
  expect(texts[1]).toBe("The call has ended.");
});

test("whoever could not resume is told that nothing may be kept", () => {
  const broken = new ApiError(500, "internal", "Broken.");
  expect(actTrouble(failed("resume", broken), "paused")).toContain("may still be paused");
  const code = "recording_resume_unconfirmed";
  const unsure = new ApiError(503, code, "No answer.");
  expect(actTrouble(failed("resume", unsure), "recording")).toContain("nothing is kept");
});

test("a refusal of the role is told as the server told it", () => {
  const refused = new ApiError(403, "needs_role", "You need the role supervisor.");
  expect(actTrouble(failed("pause", refused), "recording")).toBe("You need the role supervisor.");
});

test("no trouble, no words", () => {
  expect(actTrouble(undefined, "recording")).toBeUndefined();
  expect(actTrouble({ act: "pause", status: "done" }, "paused")).toBeUndefined();
});
