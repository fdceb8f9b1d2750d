import { expect, test } from "vitest";
import type { Retention } from "@/api/recordings";
import { destruction, formOf, keptText, newSecret, read, type RetentionForm } from "./retention";

const policy = (over: Partial<Retention> = {}): Retention => ({
  days: 90,
  legalHold: false,
  pauseOnDtmf: false,
  resumeAfterSeconds: null,
  hasPauseWebhookSecret: false,
  redactCards: true,
  redactPhones: false,
  ...over,
});
const form = (over: Partial<RetentionForm> = {}) => read({ ...formOf(policy()), ...over });

test("a form that nobody touched means the policy it was made of", () => {
  for (const each of [
    policy(),
    policy({ days: null }),
    policy({ legalHold: true, pauseOnDtmf: true, resumeAfterSeconds: 60 }),
    policy({ hasPauseWebhookSecret: true }),
    policy({ redactCards: false, redactPhones: true }),
  ]) {
    const change: Partial<Retention> = { ...each };
    delete change.hasPauseWebhookSecret;
    expect(read(formOf(each))).toEqual({ change });
  }
});

test("days are whole and in range, or the form says so", () => {
  for (const days of ["", "0", "-1", "1.5", "36501", "ninety", "1e3"]) {
    expect(form({ days }), days).toHaveProperty("errors.days");
  }
  expect(form({ days: " 30 " })).toMatchObject({ change: { days: 30 } });
  expect(form({ days: "nonsense", forever: true })).toMatchObject({ change: { days: null } });
});

test("an automatic resume is in range, and off means none", () => {
  expect(form({ resumes: true, resumeAfterSeconds: "0" })).toHaveProperty(
    "errors.resumeAfterSeconds",
  );
  expect(form({ resumes: true, resumeAfterSeconds: "300" })).toMatchObject({
    change: { resumeAfterSeconds: 300 },
  });
  expect(form({ resumes: false, resumeAfterSeconds: "9" })).toMatchObject({
    change: { resumeAfterSeconds: null },
  });
});

test("a secret is sent only when there is a new one, and only in its form", () => {
  const secret = newSecret();
  expect(form({ webhook: true, secret })).toHaveProperty("change.pauseWebhookSecret", secret);
  expect(form({ webhook: true, secret: "guess me" })).toHaveProperty("errors.secret");
  expect(form({ webhook: true, secret: "whsec_c2hvcnQ=" })).toHaveProperty("errors.secret");
  expect(form({ webhook: true, hasSecret: true })).not.toHaveProperty("change.pauseWebhookSecret");
  expect(newSecret()).not.toBe(secret);
});

test("a webhook without a secret is an error, and one that is turned off loses its secret", () => {
  expect(form({ webhook: true })).toHaveProperty("errors.secret");
  expect(form({ webhook: false, hasSecret: true })).toHaveProperty(
    "change.pauseWebhookSecret",
    null,
  );
});

test("whatever erases older recordings is confirmed first", () => {
  expect(destruction(policy(), policy({ days: 30 }))).toContain("30 days");
  expect(destruction(policy({ days: null }), policy({ days: 1 }))).toContain("1 day ago");
  expect(destruction(policy({ legalHold: true }), policy())).toContain("legal hold");
});

test("what keeps more, or the same, is not asked about", () => {
  expect(destruction(policy(), policy({ days: 91 }))).toBeUndefined();
  expect(destruction(policy(), policy({ days: null }))).toBeUndefined();
  expect(destruction(policy(), policy({ pauseOnDtmf: true }))).toBeUndefined();
  expect(destruction(policy(), policy({ days: 1, legalHold: true }))).toBeUndefined();
});

test("a legal hold is what the sentence is about while it is on", () => {
  expect(keptText(policy({ legalHold: true, days: 1 }))).toContain("nothing is erased");
  expect(keptText(policy({ days: 1 }))).toContain("1 day after");
  expect(keptText(policy({ days: null }))).toContain("until somebody erases");
});
