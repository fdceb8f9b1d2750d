import { ApiError, errorText } from "@/api/client";

/** A refusal as a form shows it. */
export interface FormErrors {
  /** What is wrong with the field of a name; nothing when it is fine. */
  of: (field: string) => string | undefined;
  /** What belongs to no field of the form. */
  general: string | undefined;
}

const NONE: FormErrors = { of: () => undefined, general: undefined };

/** Whether a refusal belongs to a field: `numbers[3]` and `numbers.3` are of `numbers`. */
const isOf = (refused: string, field: string) =>
  refused === field || refused.startsWith(`${field}[`) || refused.startsWith(`${field}.`);

/** Sorts a failure: to the fields that the form has, and what is left to its foot. */
export function formErrors(error: unknown, fields: readonly string[]): FormErrors {
  if (error === null || error === undefined) return NONE;
  const wrong = error instanceof ApiError ? error.fields : new Map<string, string>();
  const unknown = [...wrong].filter(([refused]) => !fields.some((field) => isOf(refused, field)));
  const of = (field: string) => [...wrong].find(([refused]) => isOf(refused, field))?.[1];
  const general =
    wrong.size === 0
      ? errorText(error)
      : unknown.map(([field, text]) => `${field}: ${text}`).join(" ") || undefined;
  return { of, general };
}
