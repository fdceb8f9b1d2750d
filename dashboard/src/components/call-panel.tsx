import { X } from "lucide-react";
import { lazy, Suspense } from "react";
import { useCall } from "@/api/calls";
import { maySupervise } from "@/api/session";
import { CallAlerts } from "@/components/alert-bits";
import { ActionsList } from "@/components/call/actions-list";
import { Facts } from "@/components/call/facts";
import { CallFeedback } from "@/components/call/feedback";
import { Intelligence } from "@/components/call/intelligence";
import { useShownCall } from "@/components/call/live";
import { Notes } from "@/components/call/notes";
import { Parties } from "@/components/call/parties";
import { Recordings } from "@/components/call/recordings";
import { TagsEditor } from "@/components/call/tags-editor";
import { CallTimer, Holder, StatusDot, UpstreamBadge, Watchers } from "@/components/call-bits";
import { Console } from "@/components/console/console";
import { ListenButton } from "@/components/listen-button";
import { RecordingLight } from "@/components/recording-light";
import { Failed, Loading } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Skeleton } from "@/components/ui/skeleton";
import { Tabs, TabsContent, TabsList, TabsTrigger } from "@/components/ui/tabs";
import { customerLabel } from "@/lib/call-words";
import { cn } from "@/lib/cn";
import { words } from "@/lib/format";
import { CallTimeContext } from "@/player/call-time";
import { isEnded } from "@/realtime/patches";
import type { Call } from "@/wire/Call";
import type { Me } from "@/wire/Me";

const TranscriptPanel = lazy(() => import("@/components/call/transcript-panel"));

interface Props {
  callId: string;
  me: Me;
  onClose: () => void;
  /** Takes the room that the list leaves. */
  large?: boolean;
}

/** Everything about one call, beside the list. The list stays usable. */
export function CallPanel({ callId, me, onClose, large = false }: Props) {
  const call = useCall(callId);
  const time = useShownCall(callId);
  return (
    <aside
      aria-label="Call"
      data-testid="panel"
      className={cn(
        "flex h-full max-w-[85vw] animate-slide-in flex-col border-l border-line bg-surface max-lg:absolute max-lg:inset-y-0 max-lg:right-0 max-lg:z-20 max-lg:shadow-pop",
        large ? "min-w-0 flex-1" : "w-[26rem] shrink-0",
      )}
    >
      {call.isPending ? (
        <LoadingCall onClose={onClose} />
      ) : call.data === undefined ? (
        <>
          <Close onClose={onClose} className="m-2 self-end" />
          <Failed what="The call" error={call.error} onRetry={() => void call.refetch()} />
        </>
      ) : (
        <CallTimeContext value={time}>
          <Header call={call.data} me={me} onClose={onClose} />
          {!isEnded(call.data) && maySupervise(me) && <Console call={call.data} me={me} />}
          <Parts call={call.data} me={me} />
        </CallTimeContext>
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

function LoadingCall({ onClose }: { onClose: () => void }) {
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
    <header className="px-4 pt-3">
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
        {!isEnded(call) && <Holder control={call.control} />}
        {!isEnded(call) && <CallAlerts callId={call.id} />}
      </div>
    </header>
  );
}

function Parts({ call, me }: { call: Call; me: Me }) {
  return (
    <Tabs defaultValue="call" className="flex min-h-0 flex-1 flex-col">
      <TabsList aria-label="Parts of the call" className="mt-1.5 shrink-0 px-4">
        <TabsTrigger value="call">Call</TabsTrigger>
        <TabsTrigger value="transcript">Transcript</TabsTrigger>
        <TabsTrigger value="notes">Notes</TabsTrigger>
      </TabsList>
      <TabsContent value="call" className="min-h-0 flex-1 overflow-y-auto -outline-offset-2">
        {!isEnded(call) && <Parties call={call} />}
        <Intelligence call={call} />
        <Recordings call={call} me={me} />
        <Facts call={call} me={me} />
        <TagsEditor call={call} me={me} />
      </TabsContent>
      <TabsContent value="transcript" className="min-h-0 flex-1 -outline-offset-2">
        <Suspense fallback={<Loading what="the transcript" rows={3} />}>
          <TranscriptPanel call={call} />
        </Suspense>
      </TabsContent>
      <TabsContent value="notes" className="min-h-0 flex-1 overflow-y-auto -outline-offset-2">
        <Notes call={call} me={me} />
        <CallFeedback call={call} me={me} />
        <ActionsList call={call} />
      </TabsContent>
    </Tabs>
  );
}
