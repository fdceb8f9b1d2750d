import { words } from "@/lib/format";

/** What vendors and orchestrators reported of a call, as far as a person wants to read it. */
export interface Report {
  summary?: string;
  /** Name and value, in the order to be read. */
  entries: readonly (readonly [string, string])[];
}

/** Shown in its own place, or told elsewhere, or for programs. */
const LEFT_OUT = new Set(["summary", "costs", "vendorMetadata", "messages", "transcript"]);
/** Entries that are shown: what is beyond is for programs. */
const ENTRIES_MAX = 40;

const figures = new Intl.NumberFormat(undefined, { maximumFractionDigits: 4 });

function plain(value: unknown): string | undefined {
  if (value === "true" || value === "false") return plain(value === "true"); // as Vapi says it
  if (typeof value === "string") return value.trim() === "" ? undefined : value.trim();
  if (typeof value === "number") return figures.format(value);
  return typeof value === "boolean" ? (value ? "Yes" : "No") : undefined;
}

/** `successEvaluation` and `success_evaluation` read `Success evaluation`. */
const nameOf = (key: string) =>
  words(
    key.replace(/([a-z0-9])([A-Z])/g, (_, before: string, after: string) => {
      return `${before}_${after.toLowerCase()}`;
    }),
  );

function* flat(value: object): Generator<readonly [string, string]> {
  for (const [key, inner] of Object.entries(value) as [string, unknown][]) {
    if (LEFT_OUT.has(key)) continue;
    const text = Array.isArray(inner)
      ? inner
          .map(plain)
          .filter((each) => each !== undefined)
          .join(", ")
      : plain(inner);
    if (text !== undefined && text !== "") yield [nameOf(key), text];
    else if (typeof inner === "object" && inner !== null && !Array.isArray(inner)) {
      yield* flat(inner);
    }
  }
}

/** The report in a call's metadata. */
export function reportOf(metadata: Record<string, unknown>): Report {
  const summary = plain(metadata.summary);
  const entries = [...flat(metadata)].slice(0, ENTRIES_MAX);
  return summary === undefined ? { entries } : { summary, entries };
}
