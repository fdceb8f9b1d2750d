import { ArrowLeft, ArrowRight, ChevronDown, ChevronUp } from "lucide-react";
import { lazy, Suspense, useEffect, useRef, type ReactNode } from "react";
import { useCall } from "@/api/calls";
import { CallAlerts } from "@/components/alert-bits";
import { ActionsList } from "@/components/call/actions-list";
import { Facts } from "@/components/call/facts";
import { CallFeedback } from "@/components/call/feedback";
import { Intelligence } from "@/components/call/intelligence";
import { useShownCall } from "@/components/call/live";
import { Notes } from "@/components/call/notes";
import { Recordings } from "@/components/call/recordings";
import { CallReport } from "@/components/call/report";
import { TagsEditor } from "@/components/call/tags-editor";
import {
  CallTimer,
  DirectionIcon,
  Holder,
  StatusDot,
  UpstreamBadge,
  Watchers,
} from "@/components/call-bits";
import { ListenButton } from "@/components/listen-button";
import { RecordingLight } from "@/components/recording-light";
import { Failed, Loading } from "@/components/states";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Tooltip } from "@/components/ui/tooltip";
import { agentLabel, customerLabel, endText } from "@/lib/call-words";
import { moment, momentWithZone, words } from "@/lib/format";
import { useKeys } from "@/lib/keys";
import { useNow } from "@/lib/ticker";
import { CallTimeContext } from "@/player/call-time";
import { isEnded } from "@/realtime/patches";
import type { Call } from "@/wire/Call";
import type { Me } from "@/wire/Me";

const TranscriptPanel = lazy(() => import("@/components/call/transcript-panel"));

interface Props {
  callId: string;
  me: Me;
  onBack: () => void;
  /** Opens the call before or after it in the list; `undefined` where there is none. */
  onBefore: (() => void) | undefined;
  onNext: (() => void) | undefined;
}

/** One call with all that is left of it. */
export function CallPage({ callId, me, onBack, onBefore, onNext }: Props) {
  const call = useCall(callId);
  const time = useShownCall(callId);
  useKeys({ Escape: onBack, j: () => onNext?.(), k: () => onBefore?.() });
  return (
    <article
      aria-label="Call"
      data-testid="call-page"
      className="absolute inset-0 flex flex-col bg-surface"
    >
      <div className="flex min-h-11 shrink-0 items-center gap-1 border-b border-line px-3 py-1.5">
        <Button variant="quiet" onClick={onBack}>
          <ArrowLeft aria-hidden />
          All calls
        </Button>
        <div className="flex-1" />
        <Step name="Call before" hint="K" onStep={onBefore} icon={<ChevronUp aria-hidden />} />
        <Step name="Next call" hint="J" onStep={onNext} icon={<ChevronDown aria-hidden />} />
      </div>
      {call.isPending ? (
        <Loading what="the call" />
      ) : call.data === undefined ? (
        <Failed what="The call" error={call.error} onRetry={() => void call.refetch()} />
      ) : (
        <CallTimeContext value={time}>
          <Header call={call.data} me={me} />
          <Content call={call.data} me={me} />
        </CallTimeContext>
      )}
    </article>
  );
}

interface StepProps {
  name: string;
  hint: string;
  onStep: (() => void) | undefined;
  icon: ReactNode;
}

function Step({ name, hint, onStep, icon }: StepProps) {
  return (
    <Tooltip content={`${name} (${hint})`}>
      <Button
        variant="quiet"
        size="icon"
        aria-label={name}
        disabled={onStep === undefined}
        onClick={onStep}
      >
        {icon}
      </Button>
    </Tooltip>
  );
}

function Header({ call, me }: { call: Call; me: Me }) {
  const heading = useRef<HTMLHeadingElement>(null);
  const now = useNow();
  // what was pressed to come here is gone: go on from the heading
  useEffect(() => heading.current?.focus({ preventScroll: true }), []);
  return (
    <header className="shrink-0 border-b border-line px-5 py-3">
      <div className="flex items-center gap-2">
        <StatusDot status={call.status} />
        <h2
          ref={heading}
          tabIndex={-1}
          className="min-w-0 truncate text-base font-semibold tracking-tight focus-visible:outline-none"
        >
          {customerLabel(call)}
        </h2>
        <UpstreamBadge upstream={call.upstream} />
        {call.outcome !== undefined && <Badge tone="accent">{words(call.outcome)}</Badge>}
        {!isEnded(call) && <RecordingLight call={call} />}
        {!isEnded(call) && <Watchers watchers={call.watchers} />}
        {!isEnded(call) && <Holder control={call.control} />}
        {!isEnded(call) && <CallAlerts callId={call.id} />}
        <div className="flex-1" />
        {!isEnded(call) && <ListenButton call={call} me={me} />}
      </div>
      <div className="mt-1 flex flex-wrap items-center gap-x-3 gap-y-1 pl-6 text-ink-soft">
        <span className="flex min-w-0 items-center gap-1.5 tabular-nums">
          <DirectionIcon direction={call.direction} />
          <span className="truncate">{call.from}</span>
          <ArrowRight aria-label="to" className="size-3 shrink-0 text-ink-faint" />
          <span className="truncate">{call.to}</span>
        </span>
        <span>with {agentLabel(call)}</span>
        <time dateTime={call.startedAt} title={momentWithZone(call.startedAt)}>
          {moment(call.startedAt, now)}
        </time>
        <span className="text-ink">
          <CallTimer call={call} />
        </span>
        <span>{call.endReason === undefined ? words(call.status) : endText(call.endReason)}</span>
      </div>
    </header>
  );
}

function Content({ call, me }: { call: Call; me: Me }) {
  return (
    <div className="grid min-h-0 flex-1 max-lg:overflow-y-auto lg:grid-cols-[minmax(0,1fr)_21rem]">
      <div className="flex min-h-0 min-w-0 flex-col">
        <div className="shrink-0 overflow-y-auto lg:max-h-[60%]">
          <Recordings call={call} me={me} />
        </div>
        <div className="min-h-0 flex-1 max-lg:h-[32rem] max-lg:flex-none">
          <Suspense fallback={<Loading what="the transcript" rows={3} />}>
            <TranscriptPanel call={call} />
          </Suspense>
        </div>
      </div>
      <div className="min-h-0 border-line max-lg:border-t lg:overflow-y-auto lg:border-l">
        <CallReport call={call} />
        <Notes call={call} me={me} />
        <CallFeedback call={call} me={me} />
        <TagsEditor call={call} me={me} />
        <Intelligence call={call} />
        <Facts call={call} me={me} />
        <ActionsList call={call} />
      </div>
    </div>
  );
}
