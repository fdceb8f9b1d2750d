import type { Recording } from "@/wire/Recording";

/** A stored recording for tests, with what matters to the test put over it. */
export function recordingOf(over: Partial<Recording> = {}): Recording {
  const id = over.id ?? "recording";
  return {
    id,
    callId: "call",
    state: "stored",
    degraded: false,
    startedAt: "2026-10-30T12:00:00.000Z",
    durationSeconds: 60,
    channels: [
      { index: 0, party: "customer" },
      { index: 1, party: "agent" },
    ],
    gaps: [],
    pauses: [],
    bytes: 240_000,
    sha256: "00",
    format: "ogg",
    source: "tap",
    legalHold: false,
    audioUrl: `/api/recordings/${id}/audio`,
    ...over,
  };
}
