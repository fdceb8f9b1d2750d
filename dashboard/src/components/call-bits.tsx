import { Eye, Globe, PhoneIncoming, PhoneOutgoing } from "lucide-react";
import { Badge } from "@/components/ui/badge";
import { Tooltip } from "@/components/ui/tooltip";
import { cn } from "@/lib/cn";
import { secondsOf, upstreamName } from "@/lib/call-words";
import { duration, momentWithZone, words } from "@/lib/format";
import { useNow } from "@/lib/ticker";
import type { Call } from "@/wire/Call";
import type { Direction } from "@/wire/Direction";
import type { Upstream } from "@/wire/Upstream";
import type { Watcher } from "@/wire/Watcher";

const DOT: Record<Call["status"], string> = {
  connecting: "bg-warn animate-pulse-soft",
  ringing: "bg-warn animate-pulse-soft",
  connected: "bg-good",
  on_hold: "ring-2 ring-inset ring-warn",
  transferring: "ring-2 ring-inset ring-accent-ink",
  ended: "ring-2 ring-inset ring-idle",
};

/** Where the call stands: shape and colour, with the word on hover and for screen readers. */
export function StatusDot({ status }: { status: Call["status"] }) {
  return (
    <span title={words(status)} className="inline-flex size-4 items-center justify-center">
      <span className={cn("size-2 rounded-full", DOT[status])} />
      <span className="sr-only">{words(status)}</span>
    </span>
  );
}

export function UpstreamBadge({ upstream }: { upstream: Upstream }) {
  return <Badge>{upstreamName(upstream)}</Badge>;
}

const DIRECTION = { inbound: PhoneIncoming, outbound: PhoneOutgoing, web: Globe };

export function DirectionIcon({ direction }: { direction: Direction }) {
  const Icon = DIRECTION[direction];
  return (
    <span title={words(direction)} className="inline-flex text-ink-faint">
      <Icon aria-hidden className="size-3.5" />
      <span className="sr-only">{words(direction)}</span>
    </span>
  );
}

/** The running time of a call. */
export function CallTimer({ call }: { call: Call }) {
  const now = useNow();
  return (
    <time
      data-testid="timer"
      className="font-medium tabular-nums"
      title={`Since ${momentWithZone(call.startedAt)}`}
    >
      {duration(secondsOf(call, now))}
    </time>
  );
}

/** Who takes part, as a count with the names on hover. */
export function Watchers({ watchers }: { watchers: readonly Watcher[] }) {
  if (watchers.length === 0) return null;
  const names = watchers.map(({ name, mode }) => `${name} (${mode})`).join(", ");
  return (
    <Tooltip content={names}>
      <span className="inline-flex items-center gap-1 text-xs text-ink-soft tabular-nums">
        <Eye aria-hidden className="size-3.5 text-ink-faint" />
        {watchers.length}
        <span className="sr-only">watching: {names}</span>
      </span>
    </Tooltip>
  );
}

/** Which supervisor has the call, while one has. */
export function Holder({ control }: Pick<Call, "control">) {
  if (control.holder === "agent") return null;
  return <Badge tone="accent">Held by {control.holderName ?? "a supervisor"}</Badge>;
}
