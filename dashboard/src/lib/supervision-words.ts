import { ApiError, errorText } from "@/api/client";
import { maySupervise } from "@/api/session";
import type { Call } from "@/wire/Call";
import type { Capability } from "@/wire/Capability";
import type { Control } from "@/wire/Control";
import type { Me } from "@/wire/Me";
import { upstreamName } from "./call-words";

/** Acts of the console. */
export type ConsoleAct = Extract<
  Capability,
  | "whisper_text"
  | "whisper_voice"
  | "barge"
  | "takeover"
  | "hand_back"
  | "transfer"
  | "mute_agent"
  | "mute_customer"
  | "end"
>;

/** Why an act cannot be done to a call now; `undefined` when it can. */
export function obstacle(call: Call, me: Me, act: ConsoleAct): string | undefined {
  if (!maySupervise(me)) return "Only supervisors and admins can do this.";
  if (call.capabilities.includes(act)) return undefined;
  return (
    call.incapable?.[act] ?? `${upstreamName(call.upstream)} does not allow that from here now.`
  );
}

/** Whether whoever takes the call over has it for good: its upstream ends the agent's part. */
export const isTakenForGood = (call: Call): boolean => call.upstream === "retell";

/** Whether this person has the call, in whatever window. */
export const isHolder = (control: Control, me: Me): boolean =>
  control.holder === `supervisor:${me.id}`;

/** Who has the call. */
export function holderText(control: Control, me: Me, here: boolean): string {
  if (control.holder === "agent") return "The agent has the call.";
  if (!isHolder(control, me)) return `${control.holderName ?? "Another supervisor"} has the call.`;
  return here ? "You have the call." : "You have the call in another window.";
}

/** What a supervisor tried. */
export type Attempt =
  "arm" | "whisper" | "write" | "barge" | "silence" | "takeover" | "handback" | "mute" | "end";

const UNDONE: Record<Attempt, string> = {
  arm: "Your microphone was not armed. Nobody heard you.",
  whisper: "Your whisper was not heard.",
  write: "Whether the agent has it is not known.",
  barge: "You were not heard.",
  silence: "Your microphone is silent here. Disarm it if that does not pass.",
  takeover: "The agent keeps the call. You go on listening.",
  handback: "You still have the call.",
  mute: "Everybody is heard as before.",
  end: "The call goes on.",
};

const ADVICE: Partial<Record<string, string>> = {
  call_ended: "The call has ended.",
  gateway_timeout: "The gateway did not answer in time. Try again.",
  call_not_live: "The call is out of reach: it has ended, or is moving to another gateway.",
  forwarding_number_missing:
    "Set your forwarding number in your profile first: that is where the customer is sent.",
  upstream_timeout: "The upstream did not answer in time.",
};

/** What went wrong, what that means, and what to do. */
export function attemptTrouble(attempt: Attempt, error: unknown): string {
  const code = error instanceof ApiError ? error.code : "";
  if (code === "control_conflict") {
    const who = errorText(error).replace(/ has the call\.$/, "");
    return attempt === "handback"
      ? `${who} has the call. Only they or an admin can hand it back.`
      : `${who} was faster and has the call. You go on listening; it can be taken once they hand it back.`;
  }
  if (code === "hand_back_unconfirmed") {
    return "The call is the agent's, but the gateway has not confirmed that they are heard. It is told again by itself.";
  }
  if (code === "mute_unconfirmed") {
    return "It is noted, but the gateway has not confirmed it. It is told again by itself.";
  }
  return `${ADVICE[code] ?? errorText(error)} ${UNDONE[attempt]}`;
}
