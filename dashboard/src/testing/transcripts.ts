import type { TranscriptSegment } from "@/wire/TranscriptSegment";

/** A segment for tests; it is a second long unless the test says otherwise. */
export function segmentOf(over: Partial<TranscriptSegment> & { id: string }): TranscriptSegment {
  const startMs = over.startMs ?? 0;
  return {
    party: "customer",
    text: over.id,
    final: true,
    startMs,
    endMs: startMs + 1_000,
    ...over,
  };
}
