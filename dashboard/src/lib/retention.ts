import type { Retention, RetentionChange } from "@/api/recordings";

/** The longest time that can be set: a hundred years. */
export const MAX_DAYS = 36_500;
/** The longest automatic resume: longer than any number takes to be read. */
export const MAX_RESUME_SECONDS = 3_600;
/** Bytes of a secret that is made here; the server takes 24 to 64. */
const SECRET_BYTES = 32;
const SECRET = /^whsec_[A-Za-z0-9+/]{32,88}={0,2}$/;

/** A new secret for the pause webhook, as Standard Webhooks write them. */
export function newSecret(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(SECRET_BYTES));
  return `whsec_${btoa(String.fromCharCode(...bytes))}`;
}

const count = (days: number) => `${days} ${days === 1 ? "day" : "days"}`;

/** A policy in a sentence or two. */
export function keptText({ days, legalHold }: Retention): string {
  if (legalHold) return "A legal hold is on: nothing is erased, whatever else is set.";
  return days === null
    ? "Recordings are kept until somebody erases them."
    : `Recordings are erased ${count(days)} after their call ended.`;
}

/** What the form holds: text, as typed. */
export interface RetentionForm {
  forever: boolean;
  days: string;
  legalHold: boolean;
  pauseOnDtmf: boolean;
  resumes: boolean;
  resumeAfterSeconds: string;
  /** Whether a webhook may pause. */
  webhook: boolean;
  /** A new secret; empty: the one there is stays. */
  secret: string;
  hasSecret: boolean;
  redactCards: boolean;
  redactPhones: boolean;
}

/** The form for a policy. */
export function formOf(retention: Retention): RetentionForm {
  return {
    forever: retention.days === null,
    days: String(retention.days ?? 90),
    legalHold: retention.legalHold,
    pauseOnDtmf: retention.pauseOnDtmf,
    resumes: retention.resumeAfterSeconds !== null,
    resumeAfterSeconds: String(retention.resumeAfterSeconds ?? 120),
    webhook: retention.hasPauseWebhookSecret,
    secret: "",
    hasSecret: retention.hasPauseWebhookSecret,
    redactCards: retention.redactCards,
    redactPhones: retention.redactPhones,
  };
}

export type FormErrors = Partial<Record<"days" | "resumeAfterSeconds" | "secret", string>>;

function whole(text: string, from: number, to: number): number | undefined {
  const value = /^\d{1,9}$/.test(text.trim()) ? Number(text) : NaN;
  return value >= from && value <= to ? value : undefined;
}

/** What becomes of the secret: `undefined` stays, `null` goes. */
function secretOf({ webhook, secret, hasSecret }: RetentionForm) {
  if (!webhook) return hasSecret ? null : undefined;
  if (secret.trim() === "") return hasSecret ? undefined : "missing";
  return SECRET.test(secret.trim()) ? secret.trim() : "wrong";
}

/** The policy that a form means, or what is wrong with it. */
export function read(form: RetentionForm): { change: RetentionChange } | { errors: FormErrors } {
  const errors: FormErrors = {};
  const days = form.forever ? null : whole(form.days, 1, MAX_DAYS);
  if (days === undefined) errors.days = `A whole number of days, 1 to ${MAX_DAYS}.`;
  const resume = form.resumes ? whole(form.resumeAfterSeconds, 1, MAX_RESUME_SECONDS) : null;
  if (resume === undefined) {
    errors.resumeAfterSeconds = `Whole seconds, 1 to ${MAX_RESUME_SECONDS}.`;
  }
  const secret = secretOf(form);
  if (secret === "wrong") errors.secret = "It begins with whsec_, then 24 to 64 bytes in base64.";
  if (secret === "missing") errors.secret = "The webhook needs a secret: let one be made.";
  if (days === undefined || resume === undefined || errors.secret !== undefined) return { errors };
  return {
    change: {
      days,
      legalHold: form.legalHold,
      pauseOnDtmf: form.pauseOnDtmf,
      resumeAfterSeconds: resume,
      redactCards: form.redactCards,
      redactPhones: form.redactPhones,
      ...(secret === undefined ? {} : { pauseWebhookSecret: secret }),
    },
  };
}

/** What a change destroys, to be confirmed first; `undefined` when it destroys nothing. */
export function destruction(before: Retention, after: RetentionChange): string | undefined {
  if (after.legalHold || after.days === null) return undefined;
  const shorter = before.days === null || after.days < before.days;
  if (!shorter && !before.legalHold) return undefined;
  const why = before.legalHold ? "With the legal hold gone, recordings" : "Recordings";
  return `${why} of calls that ended more than ${count(after.days)} ago are erased within the hour, with their transcripts. Only recordings that are held themselves stay. Nobody can undo that.`;
}
