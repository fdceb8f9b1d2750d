import { Headphones, LoaderCircle, RotateCcw, X } from "lucide-react";
import { useActiveCalls } from "@/api/calls";
import { useListener, useListenings } from "@/audio/context";
import { PARTIES, type Listening } from "@/audio/listener";
import { CallTimer } from "@/components/call-bits";
import { LevelMeter } from "@/components/level-meter";
import { PartySound } from "@/components/party-sound";
import { Button } from "@/components/ui/button";
import { agentLabel, customerLabel } from "@/lib/call-words";
import { words } from "@/lib/format";
import type { Call } from "@/wire/Call";

/** What is heard now, with its controls, wherever the list is scrolled to. */
export function ListenDock({ onOpen }: { onOpen: (callId: string) => void }) {
  const listener = useListener();
  const listenings = useListenings();
  const { data: calls } = useActiveCalls();
  if (listenings.length === 0) return null;
  const count = listenings.filter((each) => each.phase !== "failed").length;
  return (
    <section
      aria-label="Listening"
      data-testid="dock"
      className="@container shrink-0 border-t border-line bg-raised"
    >
      <div className="flex h-8 items-center gap-2 border-b border-line px-4 text-xs text-ink-soft">
        <Headphones aria-hidden className="size-3.5 text-accent-ink" />
        Listening to {count} {count === 1 ? "call" : "calls"}
        <div className="flex-1" />
        <Button variant="quiet" className="-mr-2 h-6" onClick={() => listener.stopAll()}>
          Stop all
        </Button>
      </div>
      <ul className="max-h-36 overflow-y-auto">
        {listenings.map((listening) => (
          <Strip
            key={listening.callId}
            listening={listening}
            call={calls?.find((each) => each.id === listening.callId)}
            onOpen={onOpen}
          />
        ))}
      </ul>
    </section>
  );
}

interface StripProps {
  listening: Listening;
  call: Call | undefined;
  onOpen: (callId: string) => void;
}

function Strip({ listening, call, onOpen }: StripProps) {
  const listener = useListener();
  const { callId, phase } = listening;
  const name = call === undefined ? "Call" : customerLabel(call);
  return (
    <li className="flex h-12 items-center gap-5 border-b border-line px-4 last:border-b-0">
      <button
        type="button"
        className="min-w-0 flex-1 rounded text-left"
        onClick={() => onOpen(callId)}
      >
        <span className="block truncate font-medium">{name}</span>
        <span className="block truncate text-xs text-ink-soft">
          {call !== undefined && (
            <>
              {agentLabel(call)} · <CallTimer call={call} />
            </>
          )}
        </span>
      </button>
      {phase === "failed" ? (
        <span role="alert" className="text-bad-ink">
          {listening.error}
        </span>
      ) : (
        <Controls listening={listening} />
      )}
      {phase === "failed" && (
        <Button onClick={() => void listener.listen(callId)}>
          <RotateCcw aria-hidden />
          Retry
        </Button>
      )}
      <Button
        variant="quiet"
        size="icon"
        aria-label={phase === "failed" ? `Dismiss ${name}` : `Stop ${name}`}
        title={phase === "failed" ? "Dismiss" : "Stop listening"}
        onClick={() => void listener.stop(callId)}
      >
        <X aria-hidden />
      </Button>
    </li>
  );
}

function Controls({ listening }: { listening: Listening }) {
  if (listening.phase !== "hearing") {
    return (
      <span role="status" className="flex items-center gap-2 text-ink-soft">
        <LoaderCircle aria-hidden className="size-3.5 animate-spin" />
        {listening.phase === "waiting" ? "Waiting for audio…" : "Connection lost. Coming back…"}
      </span>
    );
  }
  return PARTIES.map((party) => (
    <span key={party} className="flex items-center gap-2">
      <span className="hidden w-20 @min-[44rem]:block">
        <span className="block text-2xs whitespace-nowrap text-ink-soft">
          {words(party)}
          {!listening.parties[party].present && " (away)"}
        </span>
        <LevelMeter callId={listening.callId} party={party} className="mt-0.5" />
      </span>
      <PartySound listening={listening} party={party} className="w-14 @min-[44rem]:w-20" />
    </span>
  ));
}
