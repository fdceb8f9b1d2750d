import { Eraser, Lock, LoaderCircle, MoreHorizontal, TriangleAlert, Unlock } from "lucide-react";
import { useState, type ReactNode } from "react";
import { mayRule } from "@/api/recordings";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import {
  DropdownMenu,
  DropdownMenuContent,
  DropdownMenuItem,
  DropdownMenuTrigger,
} from "@/components/ui/dropdown-menu";
import { Tooltip } from "@/components/ui/tooltip";
import { duration, moment, momentWithZone, sentence } from "@/lib/format";
import { useNow } from "@/lib/ticker";
import type { Call } from "@/wire/Call";
import type { Me } from "@/wire/Me";
import type { Recording } from "@/wire/Recording";
import type { TakeState } from "@/wire/TakeState";
import { EraseDialog, HoldDialog } from "./rulings";
import { RecordingPlayer } from "./recording-player";

interface Props {
  recording: Recording;
  call: Call;
  me: Me;
  /** The first one of its page: it hears keys until another one is used. */
  primary: boolean;
}

/** A recording with where it stands, how long it is kept, and what may be done to it. */
export default function RecordingCard({ recording, call, me, primary }: Props) {
  return (
    <article data-testid="recording" data-state={recording.state}>
      <Head recording={recording} call={call} me={me} />
      {recording.state === "stored" ? (
        <RecordingPlayer recording={recording} call={call} myId={me.id} primary={primary} />
      ) : (
        <Unplayable recording={recording} />
      )}
    </article>
  );
}

const STATES: Record<TakeState, { word: string; tone: "plain" | "accent" | "bad"; hint: string }> =
  {
    recording: {
      word: "Being written",
      tone: "accent",
      hint: "The last seconds are on their way to the file.",
    },
    sealed: {
      word: "On its way to the store",
      tone: "accent",
      hint: "The recording is complete and encrypted on the gateway's disk. It can be played as soon as it has arrived.",
    },
    stored: { word: "Stored", tone: "plain", hint: "Complete, encrypted, in the store." },
    failed: { word: "Failed", tone: "bad", hint: "There is no file." },
    erased: { word: "Erased", tone: "plain", hint: "Its key is destroyed: no copy can be read." },
  };

function Head({ recording, call, me }: Omit<Props, "primary">) {
  const { word, tone, hint } = STATES[recording.state];
  const isVendors = recording.source === "vendor";
  return (
    <div className="mb-2 flex min-h-7 flex-wrap items-center gap-2">
      <Hint text={hint}>
        <Badge tone={tone}>{word}</Badge>
      </Hint>
      {recording.degraded && (
        <Hint text="Some of what was said is missing; the gaps are marked below.">
          <Badge tone="bad">
            <TriangleAlert aria-hidden />
            Incomplete
          </Badge>
        </Hint>
      )}
      {recording.legalHold && (
        <Hint text="A legal hold: nobody can erase it, and no policy does.">
          <Badge tone="accent">
            <Lock aria-hidden />
            Held
          </Badge>
        </Hint>
      )}
      {isVendors && (
        <Hint text="Recorded by the vendor and fetched into our store.">
          <Badge tone="outline">From the vendor</Badge>
        </Hint>
      )}
      <Kept recording={recording} />
      <div className="flex-1" />
      {mayRule(me) && recording.state !== "erased" && <More recording={recording} call={call} />}
    </div>
  );
}

function Hint({ text, children }: { text: string; children: ReactNode }) {
  return (
    <Tooltip content={text}>
      <span tabIndex={0} className="inline-flex rounded-[5px]">
        {children}
      </span>
    </Tooltip>
  );
}

/** Until when there is something to keep. */
function Kept({ recording }: { recording: Recording }) {
  const now = useNow();
  const { state, legalHold, retainUntil: at } = recording;
  if (at === undefined || legalHold || state === "failed" || state === "erased") return null;
  return (
    <time dateTime={at} title={momentWithZone(at)} className="text-xs text-ink-soft tabular-nums">
      kept until {moment(at, now)}
    </time>
  );
}

function More({ recording, call }: { recording: Recording; call: Call }) {
  const [asked, setAsked] = useState<"erase" | "hold">();
  const ask = (what: "erase" | "hold") => (open: boolean) => setAsked(open ? what : undefined);
  const HoldIcon = recording.legalHold ? Unlock : Lock;
  return (
    <>
      <DropdownMenu>
        <DropdownMenuTrigger asChild>
          <Button variant="quiet" size="icon" aria-label="More about this recording">
            <MoreHorizontal aria-hidden />
          </Button>
        </DropdownMenuTrigger>
        <DropdownMenuContent align="end">
          <DropdownMenuItem onSelect={() => setAsked("hold")}>
            <HoldIcon aria-hidden />
            {recording.legalHold ? "Lift the legal hold…" : "Hold for legal reasons…"}
          </DropdownMenuItem>
          <DropdownMenuItem
            disabled={recording.legalHold}
            className="text-bad-ink"
            onSelect={() => setAsked("erase")}
          >
            <Eraser aria-hidden />
            {recording.legalHold ? "Held: cannot be erased" : "Erase…"}
          </DropdownMenuItem>
        </DropdownMenuContent>
      </DropdownMenu>
      <EraseDialog
        recording={recording}
        call={call}
        open={asked === "erase"}
        onOpenChange={ask("erase")}
      />
      <HoldDialog recording={recording} open={asked === "hold"} onOpenChange={ask("hold")} />
    </>
  );
}

/** Why there is nothing to play, and what to do. */
function Unplayable({ recording }: { recording: Recording }) {
  const { state, error, durationSeconds } = recording;
  const now = useNow();
  if (state === "sealed" || state === "recording") {
    return (
      <p role="status" className="flex items-start gap-2 text-ink-soft">
        <LoaderCircle aria-hidden className="mt-0.5 size-4 shrink-0 animate-spin" />
        <span>
          {state === "sealed"
            ? `${duration(durationSeconds)} recorded and safe on the gateway's disk, on its way to the store. The player appears here by itself.`
            : "The recording is being completed. It appears here by itself."}
          {error !== undefined && <span className="block">The last try: {sentence(error)}</span>}
        </span>
      </p>
    );
  }
  if (state === "erased") {
    const when = recording.erasedAt === undefined ? "" : ` (${moment(recording.erasedAt, now)})`;
    return (
      <p className="text-ink-soft">
        This recording was erased{when}. Its key is destroyed, so that no copy of it, not even in a
        backup, can be read. The audit log keeps who erased it.
      </p>
    );
  }
  return (
    <p className="flex items-start gap-2 text-ink-soft">
      <TriangleAlert aria-hidden className="mt-0.5 size-4 shrink-0 text-warn-ink" />
      <span>
        The recording failed. {error !== undefined && `${sentence(error)} `}An operator finds what
        is left of it with “sidetone recordings check”.
      </span>
    </p>
  );
}
