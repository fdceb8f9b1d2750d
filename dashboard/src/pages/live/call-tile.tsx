import { Headphones, Pin, PinOff } from "lucide-react";
import { memo } from "react";
import { maySupervise } from "@/api/session";
import { useListener, useListening, useListenings } from "@/audio/context";
import { PARTIES, type Listening } from "@/audio/listener";
import { isAlone, toggleAlone } from "@/audio/solo";
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
import { useStream } from "@/realtime/context";
import type { Call } from "@/wire/Call";
import type { Me } from "@/wire/Me";
import { LastLine, TileActs } from "./tile-acts";

interface Props {
  call: Call;
  me: Me;
  selected: boolean;
  /** Whether keys that do something to a call are for this one. */
  keyed: boolean;
  pinned: boolean;
  onPin: (callId: string) => void;
  onOpen: (callId: string) => void;
}

/** A call to be watched and heard beside others. Nothing in it moves when something changes. */
export const CallTile = memo(function CallTile(props: Props) {
  const { call, me, selected, keyed, pinned, onPin, onOpen } = props;
  useStream(`call:${call.id}`);
  const listening = useListening(call.id);
  const ended = call.status === "ended";
  const hearing = listening?.phase === "hearing" ? listening : undefined;
  const sound = (
    <div className="flex h-7 items-center gap-1.5 overflow-hidden">
      {hearing === undefined ? <Badges call={call} /> : <Sound listening={hearing} />}
      <span className="flex-1" />
      <ListenButton call={call} me={me} className="w-20" />
    </div>
  );
  return (
    <article
      data-testid="call-tile"
      data-call={call.id}
      aria-label={customerLabel(call)}
      aria-current={selected ? "true" : undefined}
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
        className="relative my-1.5 grid min-w-0 gap-1.5 rounded text-left"
      >
        <span className="sr-only">Open the call with </span>
        <PartyLine callId={call.id} party="customer" name={customerLabel(call)} live={!ended} />
        <PartyLine callId={call.id} party="agent" name={agentLabel(call)} live={!ended} />
      </button>
      {ended || !maySupervise(me) ? (
        <>
          <LastLine callId={call.id} />
          <span className="flex-1" />
          {sound}
        </>
      ) : (
        <TileActs call={call} me={me} keyed={keyed}>
          {sound}
        </TileActs>
      )}
    </article>
  );
});

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
  const listenings = useListenings();
  const alone = isAlone(listenings, listening.callId);
  return (
    <>
      {PARTIES.map((party) => (
        <PartySound key={party} listening={listening} party={party} className="w-9" />
      ))}
      {listenings.length > 1 && (
        <Button
          variant={alone ? "on" : "quiet"}
          size="icon"
          aria-pressed={alone}
          aria-label="Only this call"
          title="Only this call: mutes the others for you"
          onClick={() => toggleAlone(listener, listening.callId)}
        >
          <Headphones aria-hidden />
        </Button>
      )}
    </>
  );
}
