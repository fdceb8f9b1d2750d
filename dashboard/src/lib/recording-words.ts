import type { Acting } from "@/api/recording-acts";
import { ApiError, errorText } from "@/api/client";
import { timeWithSeconds, words } from "@/lib/format";
import type { RecordingFlag } from "@/wire/RecordingFlag";
import type { RecordingState } from "@/wire/RecordingState";

/**
 * What the recording light shows: the server's word, what was asked for and is not answered yet,
 * or a pause that is noted but that nobody who carries the call has confirmed.
 */
export type Lamp = RecordingState | "pausing" | "resuming" | "unconfirmed";

const isRunning = (flag: RecordingFlag) => flag.state === "recording" || flag.state === "degraded";

/** The light for what the server says and what this page has asked for. */
export function lampOf(flag: RecordingFlag, acting: Acting | undefined): Lamp {
  if (acting?.status === "pending") return acting.act === "pause" ? "pausing" : "resuming";
  if (flag.state === "failed") return "failed";
  const noted = flag.pausedAt !== undefined;
  if (noted && isRunning(flag)) return "unconfirmed";
  return noted ? "paused" : flag.state;
}

/** What the next press does; `undefined` when there is nothing to pause or to resume. */
export function nextAct(lamp: Lamp): "pause" | "resume" | undefined {
  if (lamp === "recording" || lamp === "degraded" || lamp === "unconfirmed") return "pause";
  return lamp === "paused" ? "resume" : undefined;
}

/** What names of rules begin with; those of people are ids. */
const RULE = /^rule:/;
const RULES: Partial<Record<string, string>> = {
  dtmf: "by a keypad digit",
  webhook: "by the pause webhook",
};

/** Who paused: a person's id says nothing to a reader, a rule's name does. */
export function pausedBy(by: string | undefined, myId: string | undefined): string {
  if (by === undefined) return "";
  if (by === myId) return "by you";
  if (/^[0-9a-f]{8}-[0-9a-f-]{27}$/i.test(by)) return "by a colleague";
  const rule = by.replace(RULE, "");
  return RULES[rule] ?? `by the rule “${words(rule)}”`;
}

/** Seconds until a pause ends by itself, at `now` (ms); `undefined` when it does not. */
export function secondsLeft(flag: RecordingFlag, now: number): number | undefined {
  if (flag.resumeAt === undefined) return undefined;
  const left = (Date.parse(flag.resumeAt) - now) / 1000;
  return Number.isNaN(left) ? undefined : Math.max(0, Math.ceil(left));
}

const since = (at: string | undefined) => (at === undefined ? "" : ` since ${timeWithSeconds(at)}`);

const goesOnAt = ({ resumeAt }: RecordingFlag) =>
  resumeAt === undefined ? "" : ` It goes on by itself at ${timeWithSeconds(resumeAt)}.`;

/** What the light means, since when, and what follows from it. */
export function lampMeaning(lamp: Lamp, flag: RecordingFlag): string {
  switch (lamp) {
    case "off":
      return "Nothing of this call is recorded.";
    case "recording":
      return `Both sides are recorded${since(flag.startedAt)}.`;
    case "degraded":
      return `Recorded${since(flag.startedAt)}, but some of it is being lost. The recorder goes on by itself; an admin sees why under Recordings.`;
    case "failed":
      return `The recording failed${flag.startedAt === undefined ? "" : `; it began at ${timeWithSeconds(flag.startedAt)}`}. The rest of this call is not kept.`;
    case "pausing":
      return "The pause is on its way. Wait until it is confirmed.";
    case "resuming":
      return "The recording is about to go on.";
    case "unconfirmed":
      return `A pause is noted${since(flag.pausedAt)}, but not confirmed: the call may still be recorded. The gateway is told again by itself.`;
    case "paused":
      return `Nothing of this call is kept${since(flag.pausedAt)}.${goesOnAt(flag)}`;
  }
}

const BY_CODE: Partial<Record<string, string>> = {
  recording_pause_unconfirmed:
    "The pause is noted, but the gateway that carries the call has not confirmed it. Nothing is promised: ask the caller not to read the number yet. The gateway is told again by itself; go on when this says Paused, or press Pause again.",
  recording_resume_unconfirmed:
    "It is noted, but the gateway that carries the call has not confirmed that it records again. It is told again by itself; until then nothing is kept.",
  call_ended: "The call has ended.",
  call_not_live:
    "No gateway carries this call at the moment. It is noted: whoever takes the call over does as asked.",
};

/** What to do after a pause or resume was not carried out; nothing once it was after all. */
export function actTrouble(acting: Acting | undefined, lamp: Lamp): string | undefined {
  if (acting?.status !== "failed") return undefined;
  const { act, error } = acting;
  if (act === "pause" && lamp === "paused") return undefined; // confirmed meanwhile
  const known = error instanceof ApiError ? BY_CODE[error.code] : undefined;
  if (known !== undefined) return known;
  const status = error instanceof ApiError ? error.status : -1;
  if (status >= 400 && status < 500) return errorText(error);
  if (act === "resume") return `${errorText(error)} The recording may still be paused. Try again.`;
  return `${errorText(error)} The recording may be running: ask the caller to wait, and try again.`;
}
