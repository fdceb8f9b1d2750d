import type { RuleBody } from "@/api/alerts";
import { duration } from "@/lib/format";
import type { AlertCondition } from "@/wire/AlertCondition";
import type { AlertKind } from "@/wire/AlertKind";
import type { AlertRule } from "@/wire/AlertRule";
import type { Severity } from "@/wire/Severity";

/** Longest hysteresis and cooldown that can be set, in seconds. */
const HOLD_MAX = 3_600;
const COOLDOWN_MAX = 86_400;
const WINDOW_MIN = 10;
const WINDOW_MAX = 86_400;
const NAME_MAX = 200;
const KEYWORDS_MAX = 100;
const KEYWORD_MAX = 100;

interface Spec {
  name: string;
  /** What it is for. */
  about: string;
  /** Name and unit of the threshold. */
  threshold: string;
  min: number;
  max: number;
  whole: boolean;
  /** Where it fires: at the threshold and above, or at it and below. */
  fires: "above" | "below";
  suggested: string;
  /** Seconds that it must be so, when it is made. */
  forSeconds: string;
}

export const KINDS: Record<AlertKind, Spec> = {
  concurrent_calls: {
    name: "Many calls at once",
    about: "So many calls go on at the same time.",
    threshold: "Calls at once, or more",
    min: 1,
    max: 1_000_000,
    whole: true,
    fires: "above",
    suggested: "50",
    forSeconds: "0",
  },
  long_call: {
    name: "Long call",
    about: "A call lasts this long.",
    threshold: "Seconds, or longer",
    min: 1,
    max: 86_400,
    whole: true,
    fires: "above",
    suggested: "1800",
    forSeconds: "0",
  },
  failed_calls: {
    name: "Failed calls",
    about: "So many calls failed, by the upstream or by us, within a time.",
    threshold: "Failed calls, or more",
    min: 1,
    max: 1_000_000,
    whole: true,
    fires: "above",
    suggested: "5",
    forSeconds: "0",
  },
  no_agent_available: {
    name: "No agent available",
    about: "So few agents are available and in no call.",
    threshold: "Free agents, or fewer",
    min: 0,
    max: 10_000,
    whole: true,
    fires: "below",
    suggested: "0",
    forSeconds: "60",
  },
  negative_sentiment: {
    name: "Negative sentiment",
    about: "The customer’s mood in a call is this bad.",
    threshold: "Score, or lower: -1 is worst, 1 is best",
    min: -1,
    max: 1,
    whole: false,
    fires: "below",
    suggested: "-0.5",
    forSeconds: "10",
  },
  keyword: {
    name: "Keyword",
    about: "One of these words or phrases is said in a call.",
    threshold: "Times, or more",
    min: 1,
    max: 1_000,
    whole: true,
    fires: "above",
    suggested: "1",
    forSeconds: "0",
  },
  silence: {
    name: "Silence",
    about: "Nobody is heard in a call for this long.",
    threshold: "Seconds, or longer",
    min: 3,
    max: 3_600,
    whole: true,
    fires: "above",
    suggested: "30",
    forSeconds: "0",
  },
};

export const KIND_OPTIONS = (Object.entries(KINDS) as [AlertKind, Spec][]).map(
  ([kind, { name }]) => [kind, name] as const,
);

export const SEVERITIES: readonly (readonly [Severity, string])[] = [
  ["info", "Info: good to know"],
  ["warning", "Warning: somebody should look"],
  ["critical", "Critical: somebody must act"],
];

/** What the form holds: text, as typed. */
export interface RuleForm {
  name: string;
  severity: Severity;
  enabled: boolean;
  kind: AlertKind;
  threshold: string;
  /** Empty: it clears as soon as the threshold is no longer reached. */
  clearThreshold: string;
  forSeconds: string;
  clearForSeconds: string;
  cooldownSeconds: string;
  windowSeconds: string;
  /** One a line. */
  keywords: string;
}

/** An empty form for a kind. */
export function formFor(kind: AlertKind): RuleForm {
  const { name, suggested, forSeconds } = KINDS[kind];
  return {
    name,
    severity: "warning",
    enabled: true,
    kind,
    threshold: suggested,
    clearThreshold: "",
    forSeconds,
    clearForSeconds: "0",
    cooldownSeconds: "60",
    windowSeconds: "300",
    keywords: "",
  };
}

/** The form for a rule. */
export function formOf({ name, severity, enabled, condition }: AlertRule): RuleForm {
  return {
    name,
    severity,
    enabled,
    kind: condition.kind,
    threshold: String(condition.threshold),
    clearThreshold: condition.clearThreshold === undefined ? "" : String(condition.clearThreshold),
    forSeconds: String(condition.forSeconds),
    clearForSeconds: String(condition.clearForSeconds),
    cooldownSeconds: String(condition.cooldownSeconds),
    windowSeconds: String(condition.windowSeconds ?? 300),
    keywords: (condition.keywords ?? []).join("\n"),
  };
}

/** The form after another kind was chosen: its name follows as long as nobody gave one. */
export function withKind(form: RuleForm, kind: AlertKind): RuleForm {
  const fresh = formFor(kind);
  const named = form.name.trim() !== "" && form.name !== KINDS[form.kind].name;
  const { severity, enabled, keywords } = form;
  return { ...fresh, severity, enabled, keywords, name: named ? form.name : fresh.name };
}

export type RuleErrors = Partial<Record<keyof RuleForm, string>>;

function number(text: string, from: number, to: number, whole: boolean): number | undefined {
  const shape = whole ? /^-?\d{1,9}$/ : /^-?\d{1,9}([.,]\d{1,6})?$/;
  if (!shape.test(text.trim())) return undefined;
  const value = Number(text.trim().replace(",", "."));
  return value >= from && value <= to ? value : undefined;
}

const wordsOf = (text: string): string[] => [
  ...new Set(
    text
      .split("\n")
      .map((line) => line.trim().replace(/\s+/g, " "))
      .filter(Boolean),
  ),
];

/** What a form means as a condition, or what is wrong with it. */
export function readCondition(
  form: RuleForm,
): { condition: AlertCondition } | { errors: RuleErrors } {
  const spec = KINDS[form.kind];
  const errors: RuleErrors = {};
  const within = (from: number, to: number) =>
    `${spec.whole ? "A whole number" : "A number"}, ${from} to ${to}.`;
  const threshold = number(form.threshold, spec.min, spec.max, spec.whole);
  if (threshold === undefined) errors.threshold = within(spec.min, spec.max);
  const seconds = (field: "forSeconds" | "clearForSeconds" | "cooldownSeconds", max: number) => {
    const value = number(form[field], 0, max, true);
    if (value === undefined) errors[field] = `Whole seconds, 0 to ${max}.`;
    return value ?? 0;
  };
  const condition: AlertCondition = {
    kind: form.kind,
    threshold: threshold ?? 0,
    forSeconds: seconds("forSeconds", HOLD_MAX),
    clearForSeconds: seconds("clearForSeconds", HOLD_MAX),
    cooldownSeconds: seconds("cooldownSeconds", COOLDOWN_MAX),
  };
  readClearing(form, condition, errors);
  if (form.kind === "failed_calls") {
    const window = number(form.windowSeconds, WINDOW_MIN, WINDOW_MAX, true);
    if (window === undefined) {
      errors.windowSeconds = `Whole seconds, ${WINDOW_MIN} to ${WINDOW_MAX}.`;
    } else condition.windowSeconds = window;
  }
  if (form.kind === "keyword") {
    const keywords = wordsOf(form.keywords);
    if (keywords.length === 0) errors.keywords = "At least one word or phrase.";
    else if (keywords.length > KEYWORDS_MAX) errors.keywords = `At most ${KEYWORDS_MAX}.`;
    else if (keywords.some((word) => word.length > KEYWORD_MAX || !/[\p{L}\p{N}]/u.test(word))) {
      errors.keywords = `Letters or digits in each, at most ${KEYWORD_MAX} characters.`;
    }
    condition.keywords = keywords;
  }
  return Object.keys(errors).length > 0 ? { errors } : { condition };
}

/** Hysteresis: it must clear on the far side of where it fires. */
function readClearing(form: RuleForm, condition: AlertCondition, errors: RuleErrors): void {
  if (form.clearThreshold.trim() === "") return;
  const { min, max, whole, fires } = KINDS[form.kind];
  const clear = number(form.clearThreshold, fires === "above" ? 0 : min, max, whole);
  const wrong =
    clear === undefined ||
    (fires === "above" ? clear > condition.threshold : clear < condition.threshold);
  if (wrong) {
    errors.clearThreshold =
      fires === "above"
        ? "Not above where it fires; or leave it empty."
        : "Not below where it fires; or leave it empty.";
  } else condition.clearThreshold = clear;
}

/** The rule that a form means, or what is wrong with it. */
export function readRule(form: RuleForm): { body: RuleBody } | { errors: RuleErrors } {
  const read = readCondition(form);
  const name = form.name.trim();
  const errors: RuleErrors = "errors" in read ? read.errors : {};
  if (name === "" || name.length > NAME_MAX) errors.name = `1 to ${NAME_MAX} characters.`;
  if ("errors" in read || errors.name !== undefined) return { errors };
  return {
    body: { name, severity: form.severity, enabled: form.enabled, condition: read.condition },
  };
}

/** A condition in a sentence. */
export function conditionText(condition: AlertCondition): string {
  const { kind, threshold, windowSeconds = 300, keywords = [], forSeconds } = condition;
  const hold = forSeconds > 0 ? `, for ${duration(forSeconds)}` : "";
  return `${sentences[kind](threshold, windowSeconds, keywords)}${hold}`;
}

const sentences: Record<
  AlertKind,
  (threshold: number, window: number, keywords: readonly string[]) => string
> = {
  concurrent_calls: (threshold) => `${threshold} or more calls at once`,
  long_call: (threshold) => `A call of ${duration(threshold)} or longer`,
  failed_calls: (threshold, window) =>
    `${threshold} or more failed calls within ${duration(window)}`,
  no_agent_available: (threshold) =>
    threshold === 0 ? "No agent is free" : `${threshold} or fewer agents are free`,
  negative_sentiment: (threshold) => `A mood of ${threshold} or lower`,
  keyword: (threshold, _, keywords) => {
    const said = keywords.map((word) => `“${word}”`).join(", ");
    return threshold > 1 ? `${said} said ${threshold} times` : `${said} is said`;
  },
  silence: (threshold) => `Nobody is heard for ${duration(threshold)}`,
};
