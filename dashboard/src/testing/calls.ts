import type { Call } from "@/wire/Call";

let count = 0;

/** A connected call for tests, with what matters to the test put over it. */
export function callOf(over: Partial<Call> = {}): Call {
  count += 1;
  const startedAt = "2026-10-30T12:00:00.000Z";
  return {
    id: `call-${String(count).padStart(4, "0")}`,
    clientId: "tenant",
    upstream: "livekit",
    upstreamCallId: `RM_${count}`,
    direction: "inbound",
    from: "+493090181000",
    to: "+442079461000",
    status: "connected",
    startedAt,
    durationSeconds: 0,
    tags: [],
    consent: "granted",
    control: { holder: "agent", since: startedAt, version: 0 },
    recording: { state: "recording" },
    watchers: [],
    capabilities: ["listen"],
    ...over,
  };
}
