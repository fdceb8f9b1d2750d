import { expect, test } from "vitest";
import type { AlertKind } from "@/wire/AlertKind";
import type { AlertRule } from "@/wire/AlertRule";
import {
  conditionText,
  formFor,
  formOf,
  KINDS,
  readCondition,
  readRule,
  withKind,
} from "./rule-form";

const KIND_NAMES = Object.keys(KINDS) as AlertKind[];

test("what is suggested for a kind is a rule, but for the words that only people know", () => {
  for (const kind of KIND_NAMES) {
    const form = { ...formFor(kind), ...(kind === "keyword" && { keywords: "refund" }) };
    expect(readRule(form), kind).toHaveProperty("body.condition.kind", kind);
  }
  expect(readRule(formFor("keyword"))).toHaveProperty("errors.keywords");
});

test("a form that nobody touched means the rule it was made of", () => {
  const rule: AlertRule = {
    id: "r",
    name: "Refunds",
    severity: "critical",
    enabled: false,
    condition: {
      kind: "keyword",
      threshold: 2,
      clearThreshold: 1,
      forSeconds: 5,
      clearForSeconds: 6,
      cooldownSeconds: 7,
      keywords: ["refund", "my money back"],
    },
    createdAt: "2026-10-30T12:00:00.000Z",
    updatedAt: "2026-10-30T12:00:00.000Z",
  };
  const { name, severity, enabled, condition } = rule;
  expect(readRule(formOf(rule))).toEqual({ body: { name, severity, enabled, condition } });
});

test("thresholds are in the range of their kind, or the form says so", () => {
  const read = (kind: AlertKind, threshold: string) =>
    readCondition({ ...formFor(kind), keywords: "x", threshold });
  for (const kind of KIND_NAMES) {
    for (const wrong of ["", "x", "1e3", "99999999999"]) {
      expect(read(kind, wrong), `${kind} ${wrong}`).toHaveProperty("errors.threshold");
    }
  }
  expect(read("concurrent_calls", "0")).toHaveProperty("errors.threshold");
  expect(read("no_agent_available", "0")).toHaveProperty("condition.threshold", 0);
  expect(read("negative_sentiment", "-0,25")).toHaveProperty("condition.threshold", -0.25);
  expect(read("negative_sentiment", "-1.5")).toHaveProperty("errors.threshold");
  expect(read("silence", "1.5")).toHaveProperty("errors.threshold");
});

test("an alert clears on the far side of where it fires", () => {
  const read = (kind: AlertKind, threshold: string, clearThreshold: string) =>
    readCondition({ ...formFor(kind), threshold, clearThreshold });
  expect(read("concurrent_calls", "50", "40")).toHaveProperty("condition.clearThreshold", 40);
  expect(read("concurrent_calls", "50", "60")).toHaveProperty("errors.clearThreshold");
  expect(read("no_agent_available", "1", "3")).toHaveProperty("condition.clearThreshold", 3);
  expect(read("no_agent_available", "1", "0")).toHaveProperty("errors.clearThreshold");
  expect(read("concurrent_calls", "50", "")).not.toHaveProperty("condition.clearThreshold");
});

test("words are one a line, without blanks around them, each once", () => {
  const keywords = " refund \n\nmy   money back\nrefund\n";
  expect(readCondition({ ...formFor("keyword"), keywords })).toHaveProperty("condition.keywords", [
    "refund",
    "my money back",
  ]);
});

test("another kind brings its own suggestions, and keeps a name that somebody gave", () => {
  const first = formFor("silence");
  expect(withKind(first, "long_call").name).toBe(KINDS.long_call.name);
  expect(withKind({ ...first, name: "Dead air" }, "long_call")).toMatchObject({
    name: "Dead air",
    threshold: KINDS.long_call.suggested,
  });
});

test("a condition is told in a sentence", () => {
  const text = (kind: AlertKind, threshold: number, forSeconds = 0, keywords = ["refund"]) =>
    conditionText({
      kind,
      threshold,
      forSeconds,
      clearForSeconds: 0,
      cooldownSeconds: 0,
      keywords,
    });
  expect(text("long_call", 1800)).toBe("A call of 30:00 or longer");
  expect(text("no_agent_available", 0, 60)).toBe("No agent is free, for 1:00");
  expect(text("keyword", 1)).toBe("“refund” is said");
});
