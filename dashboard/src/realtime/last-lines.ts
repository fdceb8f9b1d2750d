import { useCallback, useSyncExternalStore } from "react";
import type { TranscriptSegment } from "@/wire/TranscriptSegment";
import type { TranscriptUpdate } from "@/wire/TranscriptUpdate";

/** Calls whose last line is remembered: those in sight, and some that were. */
const MAX_CALLS = 500;

/** What was said last in the calls in sight, for tiles: nothing else is kept of their transcripts. */
export class LastLines {
  readonly #lines = new Map<string, TranscriptSegment>();
  readonly #listeners = new Map<string, Set<() => void>>();

  take({ callId, segment, transcript }: TranscriptUpdate): void {
    const latest = transcript?.reduce((a, b) => (b.startMs >= a.startMs ? b : a), segment);
    const line = latest ?? segment;
    const known = this.#lines.get(callId);
    if (line.text.trim() === "" || (known !== undefined && line.startMs < known.startMs)) return;
    this.#lines.delete(callId); // the ones told of last stand last
    this.#lines.set(callId, line);
    const [oldest] = this.#lines.keys();
    if (this.#lines.size > MAX_CALLS && oldest !== undefined) this.#lines.delete(oldest);
    for (const listener of this.#listeners.get(callId) ?? []) listener();
  }

  of(callId: string): TranscriptSegment | undefined {
    return this.#lines.get(callId);
  }

  /** Calls `listener` whenever something else was said last in the call. */
  onLine(callId: string, listener: () => void): () => void {
    const set = this.#listeners.get(callId) ?? new Set();
    set.add(listener);
    this.#listeners.set(callId, set);
    return () => {
      set.delete(listener);
      if (set.size === 0) this.#listeners.delete(callId);
    };
  }
}

/** The page's last lines. */
export const lastLines = new LastLines();

/** What was said last in a call. */
export function useLastLine(callId: string): TranscriptSegment | undefined {
  return useSyncExternalStore(
    useCallback((listener) => lastLines.onLine(callId, listener), [callId]),
    () => lastLines.of(callId),
  );
}
