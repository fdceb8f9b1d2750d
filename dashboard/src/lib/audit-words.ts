import type { AuditRow } from "@/wire/AuditRow";
import type { AuditVerdict } from "@/wire/AuditVerdict";
import type { DisagreementKind } from "@/wire/DisagreementKind";
import { words } from "./format";

/** An action in words: `recording.erased` reads `Recording erased`. */
export const actionText = (action: string): string => words(action.replaceAll(/[._]/g, " "));

/** Who acted: a name, a rule, or an id where nothing more is known. */
export function actorText({ actor, actorName }: AuditRow): string {
  if (actorName !== undefined) return actorName;
  if (actor === "anonymous") return "Nobody logged in";
  return actor.startsWith("rule:") ? `Rule: ${words(actor.slice("rule:".length))}` : actor;
}

/** What an act was done to, in short: the whole id is in the details. */
export function subjectText({ subjectKind, subjectId }: AuditRow): string {
  return `${words(subjectKind)} ${subjectId.length > 13 ? `${subjectId.slice(0, 13)}…` : subjectId}`;
}

/** The details as lines; nothing where there are none. */
export function detailLines({ detail }: AuditRow): (readonly [string, string])[] {
  return Object.entries(detail).map(([name, value]) => {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    return [words(name.replaceAll(/([A-Z])/g, " $1").toLowerCase()), text] as const;
  });
}

const DISAGREEMENT: Record<DisagreementKind, string> = {
  changed: "A row is not what was written at its place: it was edited, moved, or put there.",
  missing: "Rows are gone from the middle of the log.",
  doubled: "Two rows stand at one place.",
  truncated: "Rows are gone from the end of the log.",
  forked: "The log is whole in itself, but is not the one that was written.",
  forged: "A row fits, but was not added by this system.",
  smuggled: "A row was added past this system.",
  checkpoint_forged: "A checkpoint in the store is not what was put there.",
  checkpoint_missing: "A checkpoint is no longer in the store.",
};

const count = (many: number, one: string) =>
  `${many.toLocaleString()} ${many === 1 ? one : `${one}s`}`;

/** The verdict as people read it. */
export function verdictText(verdict: AuditVerdict): { title: string; text: string } {
  const { ok, rows, checkpoints, adopted, foreignCheckpoints, disagreement } = verdict;
  if (!ok) {
    const kind = disagreement?.kind;
    return {
      title: "The log is not what was written",
      text: `${kind === undefined ? "It disagrees with itself." : DISAGREEMENT[kind]} Keep a copy of the database and of the store as they are, and ask who had access to them.`,
    };
  }
  const proof =
    checkpoints === 0
      ? "No checkpoint is in the store yet, so that rows gone from the end could not be told."
      : `${count(checkpoints, "signed checkpoint")} in the store ${checkpoints === 1 ? "agrees" : "agree"}.`;
  const before =
    adopted === 0 ? "" : ` ${count(adopted, "row")} from before the chain could not be proven.`;
  const foreign =
    foreignCheckpoints === 0
      ? ""
      : ` ${count(foreignCheckpoints, "checkpoint")} of another key could only be compared.`;
  return {
    title: "Nothing was changed",
    text: `All ${count(rows, "row")} are what was written, in their order. ${proof}${before}${foreign}`,
  };
}
