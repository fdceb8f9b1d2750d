import { duration } from "@/lib/format";
import type { Backlog } from "@/wire/Backlog";

/** A disk this full deserves a look, and one this full needs somebody. */
const TIGHT = 0.7;
const FULL = 0.9;
/** A take that waits this long says that the store does not keep up. */
const LATE_SECONDS = 300;

export interface Health {
  level: "good" | "warn" | "bad";
  /** In two or three words. */
  title: string;
  /** What it means, and what to do. */
  text: string;
}

/** Share of the budget that is used, 0 to 1. */
export function usedShare({ bytes, budgetBytes }: Backlog): number {
  return budgetBytes <= 0 ? 0 : Math.min(1, bytes / budgetBytes);
}

/** Takes that ended and are not in the store yet. */
export const notStored = ({ sealing, waiting, uploading }: Backlog): number =>
  sealing + waiting + uploading;

/** How a node's recorder fares. */
export function healthOf(backlog: Backlog): Health {
  const share = usedShare(backlog);
  if (share >= FULL) {
    return {
      level: "bad",
      title: "Disk almost full",
      text: "New sound is about to be lost. Free the way to the store, or give the spool more room.",
    };
  }
  if (backlog.error !== undefined) {
    return {
      level: "warn",
      title: "Store refuses",
      text: "Nothing is lost: recordings stay on this disk and are tried again. See to the cause below.",
    };
  }
  if (share >= TIGHT) {
    return {
      level: "warn",
      title: "Disk filling up",
      text: "Recordings come in faster than the store takes them. Look at the store and the network.",
    };
  }
  if (backlog.oldestSeconds >= LATE_SECONDS) {
    return {
      level: "warn",
      title: "Store is slow",
      text: `The oldest recording has been waiting for ${duration(backlog.oldestSeconds)}. Nothing is lost.`,
    };
  }
  return { level: "good", title: "Keeping up", text: "Recordings reach the store as they end." };
}
