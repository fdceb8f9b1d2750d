import { expect, test } from "vitest";
import { auditRowOf, verdictOf } from "@/testing/audit";
import { actionText, actorText, detailLines, verdictText } from "./audit-words";

test("actions and actors are told in words", () => {
  expect(actionText("recording.erased")).toBe("Recording erased");
  expect(actorText(auditRowOf({ actorName: "Ada" }))).toBe("Ada");
  expect(actorText(auditRowOf({ actor: "rule:retention" }))).toBe("Rule: Retention");
  expect(actorText(auditRowOf({ actor: "anonymous" }))).toBe("Nobody logged in");
});

test("details are lines, whatever their values are", () => {
  expect(detailLines(auditRowOf({ detail: { oldRole: "agent", days: 30, gone: null } }))).toEqual([
    ["Old role", "agent"],
    ["Days", "30"],
    ["Gone", "null"],
  ]);
});

test("a good verdict says what it rests on, and does not promise more", () => {
  expect(verdictText(verdictOf({ rows: 1200, checkpoints: 3 })).text).toContain("3 signed");
  const bare = verdictText(verdictOf({ rows: 1, checkpoints: 0 })).text;
  expect(bare).toContain("All 1 row are");
  expect(bare).toContain("could not be told");
});

test("a bad verdict says what is wrong and what to do", () => {
  const { title, text } = verdictText(
    verdictOf({ ok: false, disagreement: { kind: "truncated", seq: 7, detail: "x" } }),
  );
  expect(title).toBe("The log is not what was written");
  expect(text).toContain("gone from the end");
  expect(text).toContain("Keep a copy");
});
