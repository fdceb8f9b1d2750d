import { Headphones, LoaderCircle, RotateCcw, Square } from "lucide-react";
import { maySupervise } from "@/api/session";
import { useListener, useListening } from "@/audio/context";
import { Button } from "@/components/ui/button";
import { Tooltip } from "@/components/ui/tooltip";
import { cn } from "@/lib/cn";
import { customerLabel } from "@/lib/call-words";
import type { Call } from "@/wire/Call";
import type { Me } from "@/wire/Me";

/** Why a call cannot be listened to; `undefined` when it can. */
export function whyNot(call: Call, me: Me): string | undefined {
  if (!maySupervise(me)) return "Only supervisors and admins can listen.";
  if (!call.capabilities.includes("listen"))
    return call.incapable?.listen ?? "This upstream gives no audio to listen to.";
  return undefined;
}

interface Props {
  call: Call;
  me: Me;
  className?: string;
}

/** Begins and ends listening. An error stands next to it until the next press. */
export function ListenButton({ call, me, className }: Props) {
  const listener = useListener();
  const listening = useListening(call.id);
  if (call.status === "ended") return <span className="px-2 text-xs text-ink-faint">Ended</span>;
  const obstacle = whyNot(call, me);
  if (obstacle !== undefined) {
    return (
      <Tooltip content={obstacle}>
        <Button aria-disabled variant="outline" className={className}>
          <Headphones aria-hidden />
          Listen
        </Button>
      </Tooltip>
    );
  }
  const on = listening !== undefined && listening.phase !== "failed";
  const failed = listening?.phase === "failed";
  const name = customerLabel(call);
  return (
    <span className="relative inline-flex">
      {failed && <ListenError text={listening.error ?? ""} />}
      <Button
        variant={on ? "on" : "outline"}
        aria-pressed={on}
        aria-label={on ? `Stop listening to ${name}` : `Listen to ${name}`}
        className={className}
        onClick={(event) => {
          event.stopPropagation();
          void (on ? listener.stop(call.id) : listener.listen(call.id));
        }}
      >
        <ListenFace phase={listening?.phase} />
      </Button>
    </span>
  );
}

function ListenFace({
  phase,
}: {
  phase: "waiting" | "hearing" | "reconnecting" | "failed" | undefined;
}) {
  if (phase === "waiting" || phase === "reconnecting") {
    return (
      <>
        <LoaderCircle aria-hidden className="animate-spin" />
        {phase === "waiting" ? "Joining" : "Retrying"}
      </>
    );
  }
  const [Icon, word] =
    phase === "hearing"
      ? [Square, "Stop"]
      : phase === "failed"
        ? [RotateCcw, "Retry"]
        : [Headphones, "Listen"];
  return (
    <>
      <Icon aria-hidden className={cn(phase === "hearing" && "size-3 fill-current")} />
      {word}
    </>
  );
}

function ListenError({ text }: { text: string }) {
  return (
    <span
      role="alert"
      title={text}
      className="absolute top-1/2 right-full z-10 mr-2 line-clamp-2 w-max max-w-64 -translate-y-1/2 rounded-md bg-bad-soft px-2 py-1 text-left text-xs whitespace-normal text-bad-ink"
    >
      {text}
    </span>
  );
}
