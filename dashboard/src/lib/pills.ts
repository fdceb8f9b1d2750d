import type { WhisperPill } from "@/wire/WhisperPill";

/** Most quick messages of a tenant. */
export const MAX_PILLS = 50;
/** Most characters of what is sent. */
export const MAX_TEXT = 200;
/** Most characters on the button. */
export const MAX_LABEL = 40;

/** A quick message while it is edited: a key of its own, because two may say the same. */
export interface EditedPill {
  key: string;
  text: string;
  label: string;
}

let made = 0;

/** A quick message to be filled in. */
export function newPill(text = "", label = ""): EditedPill {
  made += 1;
  return { key: `pill-${made}`, text, label };
}

/** What is stored, to be edited. */
export const editedPills = (pills: readonly WhisperPill[]): EditedPill[] =>
  pills.map(({ text, label }) => newPill(text, label));

/** The list with the one at `from` moved to `to`; out of bounds it stays as it is. */
export function moved<T>(list: readonly T[], from: number, to: number): T[] {
  const next = [...list];
  if (from < 0 || from >= list.length || to < 0 || to >= list.length) return next;
  next.splice(to, 0, ...next.splice(from, 1));
  return next;
}

/** What is to be stored: without blanks around it, and without rows that nobody filled in. */
export function readPills(pills: readonly EditedPill[]): WhisperPill[] {
  return pills
    .map(({ text, label }) => ({ text: text.trim(), label: label.trim() }))
    .filter(({ text }) => text !== "")
    .map(({ text, label }) => (label === "" ? { text } : { text, label }));
}

/** Whether what is edited is something else than what is stored. */
export function isChanged(edited: readonly EditedPill[], stored: readonly WhisperPill[]): boolean {
  const plain = (pills: readonly WhisperPill[]) =>
    JSON.stringify(pills.map(({ text, label }) => [text, label ?? ""]));
  return plain(readPills(edited)) !== plain(stored);
}
