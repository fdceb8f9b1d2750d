import { ArrowRight } from "lucide-react";
import { memo, useState } from "react";
import { useListening } from "@/audio/context";
import {
  CallTimer,
  DirectionIcon,
  Holder,
  StatusDot,
  UpstreamBadge,
  Watchers,
} from "@/components/call-bits";
import { CallAlerts } from "@/components/alert-bits";
import { ListenButton } from "@/components/listen-button";
import { PartyLine } from "@/components/party-line";
import { RecordingLight } from "@/components/recording-light";
import { Badge } from "@/components/ui/badge";
import { agentLabel, customerLabel } from "@/lib/call-words";
import { cn } from "@/lib/cn";
import { serverNow } from "@/lib/ticker";
import { useStream } from "@/realtime/context";
import type { Call } from "@/wire/Call";
import type { Me } from "@/wire/Me";

/** Height of a row in pixels: all are the same, so that nothing is measured. */
export const ROW_HEIGHT = 52;
/** A call younger than this is pointed out when it appears. */
const NEW_MS = 4_000;

/** Columns, shared with the header. The fourth one needs room. */
export const COLUMNS =
  "grid grid-cols-[1.25rem_minmax(0,1fr)_minmax(0,1fr)_3.5rem_5.5rem] items-center gap-x-4 px-4 @min-[34rem]:grid-cols-[1.25rem_minmax(0,1fr)_minmax(0,1fr)_3.5rem_5.5rem_5.5rem] @min-[50rem]:grid-cols-[1.25rem_minmax(0,0.85fr)_minmax(0,0.85fr)_minmax(0,1.4fr)_3.5rem_5.5rem_5.5rem]";
export const WIDE_ONLY = "hidden @min-[50rem]:block";
/** For the column that the list beside a large call has no room for. */
export const NOT_NARROW = "hidden @min-[34rem]:flex";

interface Props {
  call: Call;
  me: Me;
  index: number;
  top: number;
  selected: boolean;
  /** Rows may not disappear under the pointer. */
  held: boolean;
  onOpen: (callId: string) => void;
}

export const CallRow = memo(function CallRow({
  call,
  me,
  index,
  top,
  selected,
  held,
  onOpen,
}: Props) {
  useStream(`call:${call.id}`);
  const [isNew] = useState(() => serverNow() - Date.parse(call.startedAt) < NEW_MS);
  const listening = useListening(call.id);
  const ended = call.status === "ended";
  const heard = listening !== undefined && listening.phase !== "failed";
  return (
    <div
      role="row"
      id={`call-${call.id}`}
      data-testid="call-row"
      data-clickable
      data-call={call.id}
      aria-rowindex={index + 2}
      aria-selected={selected}
      style={{ transform: `translateY(${top}px)`, height: ROW_HEIGHT }}
      className={cn("absolute inset-x-0 top-0", ended && !held && "animate-leave")}
      onClick={() => onOpen(call.id)}
    >
      <div
        className={cn(
          COLUMNS,
          "relative h-full border-b border-line transition-colors hover:bg-hover",
          selected &&
            "bg-selected outline-2 -outline-offset-2 outline-transparent group-focus-visible/grid:outline-accent-ink hover:bg-selected",
          isNew && !selected && "animate-appear",
          ended && "text-ink-faint",
          heard &&
            "before:absolute before:inset-y-0 before:left-0 before:w-0.5 before:bg-accent-ink",
        )}
      >
        <span role="gridcell">
          <StatusDot status={call.status} />
        </span>
        <span role="gridcell" className="flex min-w-0 items-center gap-1.5">
          <span className="min-w-0 flex-1">
            <PartyLine callId={call.id} party="customer" name={customerLabel(call)} live={!ended} />
          </span>
          {!ended && <CallAlerts callId={call.id} />}
        </span>
        <span role="gridcell" className="min-w-0">
          <PartyLine callId={call.id} party="agent" name={agentLabel(call)} live={!ended} />
        </span>
        <span role="gridcell" className={cn("min-w-0", WIDE_ONLY)}>
          <Route call={call} />
        </span>
        <span role="gridcell" className="text-right">
          <CallTimer call={call} />
        </span>
        <span role="gridcell" className={cn("items-center gap-2.5", NOT_NARROW)}>
          {!ended && <RecordingLight call={call} />}
          {!ended && <Watchers watchers={call.watchers} />}
        </span>
        <span role="gridcell" className="text-right">
          <ListenButton call={call} me={me} className="w-22" />
        </span>
      </div>
    </div>
  );
});

/** From where to where, over what, and the call's tags. */
function Route({ call }: { call: Call }) {
  return (
    <>
      <span className="flex min-w-0 items-center gap-1.5 text-xs text-ink-soft">
        <DirectionIcon direction={call.direction} />
        <span className="truncate tabular-nums" title={call.from}>
          {call.from}
        </span>
        <ArrowRight aria-label="to" className="size-3 shrink-0 text-ink-faint" />
        <span className="truncate tabular-nums" title={call.to}>
          {call.to}
        </span>
      </span>
      <span className="mt-0.5 flex gap-1 overflow-hidden">
        <UpstreamBadge upstream={call.upstream} />
        <Holder control={call.control} />
        {call.tags.slice(0, 3).map((tag) => (
          <Badge key={tag} tone="outline">
            {tag}
          </Badge>
        ))}
      </span>
    </>
  );
}
