import type { GapReason } from "@/wire/GapReason";
import type { Recording } from "@/wire/Recording";
import { pausedBy } from "@/lib/recording-words";

/** A stretch of a recording that holds less than was said. */
export interface Flaw {
  kind: "gap" | "pause";
  fromMs: number;
  toMs: number;
  /** What it is, in a few words. */
  title: string;
  /** Why, and what it means. */
  why: string;
}

const GAPS: Record<GapReason, { title: string; why: string }> = {
  disconnected: {
    title: "Connection lost",
    why: "The connection to the call was interrupted. What was said is not in the recording.",
  },
  degraded: {
    title: "Recorder overloaded",
    why: "The recorder could not keep up or write to its disk. What was said is not in the recording.",
  },
  loss: {
    title: "Packets lost",
    why: "Parts of the sound never arrived from the network. Single words may be missing.",
  },
};

/** Gaps and pauses in order. */
export function flawsOf(recording: Recording, myId?: string): Flaw[] {
  const gaps = recording.gaps.map(({ fromMs, toMs, reason }): Flaw => {
    return { kind: "gap", fromMs, toMs, ...GAPS[reason] };
  });
  const pauses = recording.pauses.map(({ fromMs, toMs, by }): Flaw => {
    const why = "The recording was paused on purpose. Nothing of this stretch was kept anywhere.";
    return { kind: "pause", fromMs, toMs, title: `Paused ${pausedBy(by, myId)}`.trim(), why };
  });
  return [...gaps, ...pauses].sort((a, b) => a.fromMs - b.fromMs || a.toMs - b.toMs);
}

/** The stretch at a position; a pause goes before a gap. */
export function flawAt(flaws: readonly Flaw[], ms: number): Flaw | undefined {
  const found = flaws.filter(({ fromMs, toMs }) => fromMs <= ms && ms <= toMs);
  return found.find(({ kind }) => kind === "pause") ?? found[0];
}
