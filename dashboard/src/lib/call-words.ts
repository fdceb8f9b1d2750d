import type { Call } from "@/wire/Call";
import type { EndClass } from "@/wire/EndClass";
import type { EndReason } from "@/wire/EndReason";
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

const END_CLASS: Record<EndClass, string> = {
  completed: "Ran its course",
  caller: "The caller ended it",
  callee: "The called party ended it",
  upstream: "The upstream ended it",
  ours: "Sidetone ended it",
  unknown: "Not known why",
};

/** Codes of ours that say more than their words. */
const END_CODE: Partial<Record<string, string>> = {
  participants_left: "everybody left",
  room_finished: "the room was closed",
  stale: "nothing was heard of it for an hour",
  gateway_lost: "its gateway was lost",
};

/** Why a call ended, in words: whose doing it was, and what is known beyond that. */
export function endText({ class: whose, code }: EndReason): string {
  const more = END_CODE[code] ?? code.replaceAll("_", " ");
  return more === "" || more === whose ? END_CLASS[whose] : `${END_CLASS[whose]}: ${more}`;
}
