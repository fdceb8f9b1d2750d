import { useMicrophoneLink } from "@/audio/context";
import type { Speaking } from "@/audio/talker";
import { cn } from "@/lib/cn";
import { holderText } from "@/lib/supervision-words";
import type { Call } from "@/wire/Call";
import type { Me } from "@/wire/Me";
import type { Moving } from "./transfer";

interface Props {
  call: Call;
  me: Me;
  speaking: Speaking | undefined;
  /** What went wrong with an act that has nothing to do with speaking. */
  trouble: string | undefined;
  /** Whether the call is being sent elsewhere, and how that goes; a third line for it. */
  moving?: Pick<Moving, "mine" | "text" | "error">;
}

/** Who hears this page now. */
function hearsYou(speaking: Speaking, linked: boolean): string | undefined {
  const { phase, mode, confirmed, holds, act } = speaking;
  if (act === "takeover") return "Taking the call over…";
  if (act === "handback") return "Handing the call back…";
  if (phase === "asking") return "Allow the microphone in the browser's question.";
  if (phase === "arming") return "Arming your microphone…";
  if (phase === "off") return undefined;
  if (!linked) return "Your microphone is being connected again. Nobody hears you.";
  if (!confirmed) return "A moment…";
  if (mode === "whisper") return "You whisper: only the agent hears you.";
  if (mode === "barge") return "You speak to everybody in the call.";
  return holds
    ? "The customer hears you, and not the agent."
    : "Your microphone is armed. Nobody hears you.";
}

/** Who has the call, who hears you, and what went wrong: its lines are always there. */
export function StatusLine({ call, me, speaking, trouble, moving }: Props) {
  const linked = useMicrophoneLink();
  const error = speaking?.error ?? trouble ?? moving?.error;
  const here = speaking?.holds === true;
  // in a word with somebody else one is heard in the call by nobody, whatever the microphone says
  const aside = moving?.mine !== undefined;
  const said = speaking === undefined || aside ? undefined : hearsYou(speaking, linked);
  const holder = holderText(call.control, me, here);
  const state = [moving?.text, holder, said].filter(Boolean).join(" ");
  const text = error ?? state;
  return (
    <p
      role={error === undefined ? "status" : "alert"}
      data-testid="console-status"
      title={text}
      className={cn(
        "text-xs leading-4",
        moving === undefined ? "line-clamp-2 h-8" : "line-clamp-3 h-12",
        error !== undefined ? "text-bad-ink" : here ? "text-accent-ink" : "text-ink-soft",
      )}
    >
      {text}
    </p>
  );
}
