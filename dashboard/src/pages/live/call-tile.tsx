import { Ear, Pin, PinOff } from "lucide-react";
import { memo } from "react";
import { useListener, useListening, useListenings } from "@/audio/context";
import { PARTIES, type Listening } from "@/audio/listener";
import { CallAlerts } from "@/components/alert-bits";
import {
  CallTimer,
  DirectionIcon,
  Holder,
  StatusDot,
  UpstreamBadge,
  Watchers,
} from "@/components/call-bits";
import { ListenButton } from "@/components/listen-button";
import { PartyLine } from "@/components/party-line";
import { PartySound } from "@/components/party-sound";
import { RecordingLight } from "@/components/recording-light";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { agentLabel, customerLabel } from "@/lib/call-words";
import { cn } from "@/lib/cn";
import { words } from "@/lib/format";
import { useStream } from "@/realtime/context";
import { useLastLine } from "@/realtime/last-lines";
import type { Call } from "@/wire/Call";
import type { Me } from "@/wire/Me";

interface Props {
  call: Call;
  me: Me;
  selected: boolean;
  pinned: boolean;
  onPin: (callId: string) => void;
  onOpen: (callId: string) => void;
}

/** A call to be watched and heard beside others. Nothing in it moves when something changes. */
export const CallTile = memo(function CallTile(props: Props) {
  const { call, me, selected, pinned, onPin, onOpen } = props;
  useStream(`call:${call.id}`);
  const listening = useListening(call.id);
  const ended = call.status === "ended";
  const hearing = listening?.phase === "hearing" ? listening : undefined;
  return (
    <article
      data-testid="call-tile"
      data-call={call.id}
      aria-label={customerLabel(call)}
      className={cn(
        "flex h-full flex-col rounded-lg border bg-surface p-3",
        selected ? "border-accent-ink" : "border-line",
        hearing !== undefined && "ring-1 ring-accent-ink/50",
        ended && "text-ink-faint",
      )}
    >
      <div className="flex h-6 items-center gap-1.5">
        <StatusDot status={call.status} />
        <DirectionIcon direction={call.direction} />
        <UpstreamBadge upstream={call.upstream} />
        {!ended && <CallAlerts callId={call.id} />}
        {!ended && <RecordingLight call={call} />}
        <span className="flex-1" />
        <CallTimer call={call} />
        <Button
          variant="quiet"
          size="icon"
          className="size-6"
          aria-pressed={pinned}
          aria-label={pinned ? `Unpin ${customerLabel(call)}` : `Pin ${customerLabel(call)}`}
          onClick={() => onPin(call.id)}
        >
          {pinned ? <PinOff aria-hidden /> : <Pin aria-hidden />}
        </Button>
      </div>
      <button
        type="button"
        onClick={() => onOpen(call.id)}
        className="relative mt-1.5 grid min-w-0 gap-1.5 rounded text-left"
      >
        <span className="sr-only">Open the call with </span>
        <PartyLine callId={call.id} party="customer" name={customerLabel(call)} live={!ended} />
        <PartyLine callId={call.id} party="agent" name={agentLabel(call)} live={!ended} />
        <LastLine callId={call.id} />
      </button>
      <span className="flex-1" />
      <div className="flex h-7 items-center gap-1.5 overflow-hidden">
        {hearing === undefined ? <Badges call={call} /> : <Sound listening={hearing} />}
        <span className="flex-1" />
        <ListenButton call={call} me={me} className="w-20" />
      </div>
    </article>
  );
});

/** What was said last: its place is kept while nothing was. */
function LastLine({ callId }: { callId: string }) {
  const line = useLastLine(callId);
  return (
    <span className="line-clamp-2 h-8 text-xs leading-4 text-ink-soft">
      {line !== undefined && (
        <>
          <span className="font-medium">{words(line.party)}:</span> {line.text}
        </>
      )}
    </span>
  );
}

function Badges({ call }: { call: Call }) {
  return (
    <>
      <Watchers watchers={call.watchers} />
      <Holder control={call.control} />
      {call.tags.slice(0, 2).map((tag) => (
        <Badge key={tag} tone="outline" className="min-w-0">
          <span className="truncate">{tag}</span>
        </Badge>
      ))}
    </>
  );
}

/** Volumes of both parties, and this call alone. */
function Sound({ listening }: { listening: Listening }) {
  const listener = useListener();
  const others = useListenings().filter(({ callId }) => callId !== listening.callId);
  const isMuted = ({ parties }: Listening) => PARTIES.every((party) => parties[party].muted);
  const alone = others.length > 0 && others.every(isMuted) && !isMuted(listening);
  const solo = () => {
    for (const { callId } of others) {
      for (const party of PARTIES) listener.setMuted(callId, party, !alone);
    }
    for (const party of PARTIES) listener.setMuted(listening.callId, party, false);
  };
  return (
    <>
      {PARTIES.map((party) => (
        <PartySound key={party} listening={listening} party={party} className="w-9" />
      ))}
      {others.length > 0 && (
        <Button
          variant={alone ? "on" : "quiet"}
          size="icon"
          aria-pressed={alone}
          aria-label="Only this call"
          title="Only this call: mutes the others for you"
          onClick={solo}
        >
          <Ear aria-hidden />
        </Button>
      )}
    </>
  );
}
