import { ServerCrash, X } from "lucide-react";
import { lazy, Suspense, type ReactNode } from "react";
import { useCall, useRecordings } from "@/api/calls";
import { errorText } from "@/api/client";
import { useListening } from "@/audio/context";
import type { HeardParty } from "@/audio/listener";
import { CallTimer, StatusDot, UpstreamBadge, Watchers } from "@/components/call-bits";
import { ConsentControl } from "@/components/consent-control";
import { LevelMeter } from "@/components/level-meter";
import { ListenButton } from "@/components/listen-button";
import { PartySound } from "@/components/party-sound";
import { RecordingControl } from "@/components/recording-control";
import { RecordingLight } from "@/components/recording-light";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Notice } from "@/components/ui/notice";
import { Skeleton } from "@/components/ui/skeleton";
import { agentLabel, customerLabel } from "@/lib/call-words";
import { cn } from "@/lib/cn";
import { moment, momentWithZone, words } from "@/lib/format";
import { useNow } from "@/lib/ticker";
import { useStream } from "@/realtime/context";
import { useSpeaker } from "@/realtime/levels";
import { isEnded } from "@/realtime/patches";
import type { Call } from "@/wire/Call";
import type { Me } from "@/wire/Me";

const RecordingCard = lazy(() => import("@/player/recording-card"));

interface Props {
  callId: string;
  me: Me;
  onClose: () => void;
  /** A call's panel needs more room where its recording is looked at. */
  wide?: boolean;
}

/** Everything about one call, beside the list. The list stays usable. */
export function CallPanel({ callId, me, onClose, wide = false }: Props) {
  const call = useCall(callId);
  return (
    <aside
      aria-label="Call"
      data-testid="panel"
      className={cn(
        "flex h-full max-w-[85vw] shrink-0 animate-slide-in flex-col border-l border-line bg-surface max-lg:absolute max-lg:inset-y-0 max-lg:right-0 max-lg:z-20 max-lg:shadow-pop",
        wide ? "w-[34rem]" : "w-96",
      )}
    >
      {call.isPending ? (
        <Loading onClose={onClose} />
      ) : call.isError ? (
        <>
          <Close onClose={onClose} className="m-2 self-end" />
          <Notice
            icon={ServerCrash}
            title="The call could not be loaded"
            text={errorText(call.error)}
          >
            <Button onClick={() => void call.refetch()}>Try again</Button>
          </Notice>
        </>
      ) : (
        <>
          <Header call={call.data} me={me} onClose={onClose} />
          <div className="min-h-0 flex-1 overflow-y-auto">
            {!isEnded(call.data) && <Parties call={call.data} />}
            <Recordings call={call.data} me={me} />
            <Facts call={call.data} me={me} />
          </div>
        </>
      )}
    </aside>
  );
}

function Close({ onClose, className }: { onClose: () => void; className?: string }) {
  return (
    <Button variant="quiet" size="icon" aria-label="Close" className={className} onClick={onClose}>
      <X aria-hidden />
    </Button>
  );
}

function Loading({ onClose }: { onClose: () => void }) {
  return (
    <div role="status" className="p-4">
      <div className="flex justify-between">
        <Skeleton className="h-5 w-40" />
        <Close onClose={onClose} />
      </div>
      <Skeleton className="mt-3 h-4 w-56" />
      <Skeleton className="mt-8 h-24" />
      <span className="sr-only">Loading the call</span>
    </div>
  );
}

function Header({ call, me, onClose }: { call: Call; me: Me; onClose: () => void }) {
  return (
    <header className="border-b border-line px-4 py-3">
      <div className="flex items-center gap-2">
        <StatusDot status={call.status} />
        <h2 className="min-w-0 flex-1 truncate text-sm font-semibold" title={customerLabel(call)}>
          {customerLabel(call)}
        </h2>
        {!isEnded(call) && <ListenButton call={call} me={me} />}
        <Close onClose={onClose} className="-mr-1.5" />
      </div>
      <div className="mt-1.5 flex h-5 items-center gap-2 pl-6 text-ink-soft">
        <span>{words(call.status)}</span>
        <CallTimer call={call} />
        <UpstreamBadge upstream={call.upstream} />
        {!isEnded(call) && <RecordingLight call={call} />}
        {!isEnded(call) && <Watchers watchers={call.watchers} />}
      </div>
    </header>
  );
}

function Parties({ call }: { call: Call }) {
  useStream(`call:${call.id}`);
  return (
    <section aria-label="Parties" className="grid gap-4 border-b border-line p-4">
      <PartyPanel callId={call.id} party="customer" name={customerLabel(call)} />
      <PartyPanel callId={call.id} party="agent" name={agentLabel(call)} />
    </section>
  );
}

interface PartyPanelProps {
  callId: string;
  party: HeardParty;
  name: string;
}

function PartyPanel({ callId, party, name }: PartyPanelProps) {
  const listening = useListening(callId);
  const speaks = useSpeaker(callId) === party;
  return (
    <div>
      <div className="flex h-7 items-center justify-between gap-3">
        <span className="min-w-0 truncate">
          <span className="text-ink-soft">{words(party)}</span> · {name}
          {speaks && (
            <Badge tone="accent" className="ml-2">
              Speaking
            </Badge>
          )}
        </span>
        {listening?.phase === "hearing" && <PartySound listening={listening} party={party} />}
      </div>
      <LevelMeter callId={callId} party={party} className="mt-1 h-1.5" />
    </div>
  );
}

function Recordings({ call, me }: { call: Call; me: Me }) {
  const live = !isEnded(call);
  const recordings = useRecordings(call.id, !live);
  const found = recordings.data ?? [];
  const ended = found.filter((each) => each.state !== "recording" || !live);
  if (recordings.isPending && !live) return <Skeleton className="m-4 h-44" />;
  return (
    <>
      {live && (
        <Section title="Recording">
          <RecordingControl call={call} me={me} />
        </Section>
      )}
      {recordings.isError ? (
        <Section title="Recordings">
          <p role="alert" className="text-bad-ink">
            {errorText(recordings.error)}
          </p>
          <Button className="mt-2" onClick={() => void recordings.refetch()}>
            Try again
          </Button>
        </Section>
      ) : ended.length > 0 ? (
        <Section
          title={live ? "Earlier recordings" : ended.length === 1 ? "Recording" : "Recordings"}
        >
          <Suspense fallback={<Skeleton className="h-44" />}>
            <div className="grid gap-5">
              {ended.map((each, index) => (
                <RecordingCard
                  key={each.id}
                  recording={each}
                  call={call}
                  me={me}
                  primary={index === 0}
                />
              ))}
            </div>
          </Suspense>
        </Section>
      ) : (
        !live && (
          <Section title="Recording">
            <p className="text-ink-soft">{withoutRecording(call)}</p>
          </Section>
        )
      )}
    </>
  );
}

function withoutRecording(call: Call): string {
  if (call.consent === "denied") return "The customer did not agree to be recorded.";
  if (call.recording.state === "off") return "This call was not recorded.";
  if (call.recording.state === "failed") return "The recording failed.";
  return "The recording is being stored. It appears here in a moment.";
}

function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section aria-label={title} className="border-b border-line p-4">
      <h3 className="mb-2 text-xs font-medium text-ink-soft">{title}</h3>
      {children}
    </section>
  );
}

function Moment({ at }: { at: string }) {
  const now = useNow();
  return (
    <time dateTime={at} title={momentWithZone(at)} className="tabular-nums">
      {moment(at, now)}
    </time>
  );
}

function Facts({ call, me }: { call: Call; me: Me }) {
  const held =
    call.control.holder === "agent" ? "Agent" : (call.control.holderName ?? "Supervisor");
  const facts: (readonly [string, ReactNode])[] = [
    ["From", call.from],
    ["To", call.to],
    ["Direction", words(call.direction)],
    ["Agent", agentLabel(call)],
    ["Room", call.livekitRoomName],
    ["Started", <Moment key="started" at={call.startedAt} />],
    ["Answered", call.answeredAt && <Moment key="answered" at={call.answeredAt} />],
    ["Ended", call.endedAt && <Moment key="ended" at={call.endedAt} />],
    [
      "End reason",
      call.endReason && `${words(call.endReason.class)} · ${words(call.endReason.code)}`,
    ],
    ["Outcome", call.outcome && words(call.outcome)],
    ["In control", isEnded(call) ? undefined : held],
    ["Consent", <ConsentControl key="consent" call={call} me={me} />],
    ["Campaign", call.campaign],
  ];
  return (
    <Section title="Facts">
      <dl className="grid grid-cols-[6rem_minmax(0,1fr)] gap-x-3 gap-y-1.5">
        {facts.map(([name, value]) =>
          value === undefined || value === "" ? null : (
            <div key={name} className="contents">
              <dt className="text-ink-soft">{name}</dt>
              <dd className="break-words">{value}</dd>
            </div>
          ),
        )}
      </dl>
      {call.tags.length > 0 && (
        <div className="mt-3 flex flex-wrap gap-1">
          {call.tags.map((tag) => (
            <Badge key={tag} tone="outline">
              {tag}
            </Badge>
          ))}
        </div>
      )}
    </Section>
  );
}
