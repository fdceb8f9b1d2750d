import type { Retention, RetentionChange } from "@/api/recordings";

/** The longest time that can be set: a hundred years. */
export const MAX_DAYS = 36_500;
/** Bounds of the automatic resume: long enough for a number, shorter than a shift. */
export const MIN_RESUME_SECONDS = 10;
export const MAX_RESUME_SECONDS = 3_600;
/** A secret below that can be guessed. */
export const MIN_SECRET_LETTERS = 16;

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
  /** Empty: it stays as it is. */
  secret: string;
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
    secret: "",
  };
}

export type FormErrors = Partial<Record<"days" | "resumeAfterSeconds" | "secret", string>>;

function whole(text: string, from: number, to: number): number | undefined {
  const value = /^\d{1,9}$/.test(text.trim()) ? Number(text) : NaN;
  return value >= from && value <= to ? value : undefined;
}

/** The policy that a form means, or what is wrong with it. */
export function read(form: RetentionForm): { change: RetentionChange } | { errors: FormErrors } {
  const errors: FormErrors = {};
  const days = form.forever ? null : whole(form.days, 1, MAX_DAYS);
  if (days === undefined) errors.days = `A whole number of days, 1 to ${MAX_DAYS}.`;
  const resume = form.resumes
    ? whole(form.resumeAfterSeconds, MIN_RESUME_SECONDS, MAX_RESUME_SECONDS)
    : null;
  if (resume === undefined) {
    errors.resumeAfterSeconds = `Whole seconds, ${MIN_RESUME_SECONDS} to ${MAX_RESUME_SECONDS}.`;
  }
  if (form.secret !== "" && form.secret.length < MIN_SECRET_LETTERS) {
    errors.secret = `At least ${MIN_SECRET_LETTERS} characters.`;
  }
  if (days === undefined || resume === undefined || errors.secret !== undefined) return { errors };
  return {
    change: {
      days,
      legalHold: form.legalHold,
      pauseOnDtmf: form.pauseOnDtmf,
      resumeAfterSeconds: resume,
      ...(form.secret === "" ? {} : { pauseWebhookSecret: form.secret }),
    },
  };
}

/** What a change destroys, to be confirmed first; `undefined` when it destroys nothing. */
export function destruction(before: Retention, after: Retention): string | undefined {
  if (after.legalHold || after.days === null) return undefined;
  const shorter = before.days === null || after.days < before.days;
  if (!shorter && !before.legalHold) return undefined;
  const why = before.legalHold ? "With the legal hold gone, recordings" : "Recordings";
  return `${why} of calls that ended more than ${count(after.days)} ago are erased within the hour, with their transcripts. Only recordings that are held themselves stay. Nobody can undo that.`;
}
