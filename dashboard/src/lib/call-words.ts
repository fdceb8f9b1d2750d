import type { Call } from "@/wire/Call";
import type { Upstream } from "@/wire/Upstream";

const UPSTREAM: Record<Upstream, string> = {
  livekit: "LiveKit",
  vapi: "Vapi",
  retell: "Retell",
  twilio: "Twilio",
  bland: "Bland",
  elevenlabs: "ElevenLabs",
  telnyx: "Telnyx",
  plivo: "Plivo",
  vonage: "Vonage",
  exotel: "Exotel",
  jambonz: "jambonz",
  audiohook: "AudioHook",
  audiosocket: "AudioSocket",
  sip: "SIP",
  api: "API",
};

/** The upstream's name as its maker writes it. */
export const upstreamName = (upstream: Upstream): string => UPSTREAM[upstream];

/** Every upstream, for filters. */
export const UPSTREAMS = Object.keys(UPSTREAM) as Upstream[];

/** What to call the customer: the name, else the number or identity. */
export function customerLabel(call: Call): string {
  return call.customerName ?? (call.direction === "outbound" ? call.to : call.from);
}

/** What to call the agent. */
export function agentLabel(call: Call): string {
  return call.agentName ?? call.agentId ?? "No agent yet";
}

/** Seconds of a call: as it was when it is over, running until `now` (ms) otherwise. */
export function secondsOf(call: Call, now: number): number {
  if (call.status === "ended") return call.durationSeconds;
  return (now - Date.parse(call.startedAt)) / 1000;
}
