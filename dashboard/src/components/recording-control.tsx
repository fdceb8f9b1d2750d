import { useQueryClient } from "@tanstack/react-query";
import { LoaderCircle, Pause, Play } from "lucide-react";
import { useState } from "react";
import { actOnRecording, useActing, type RecordingAct } from "@/api/recording-acts";
import { maySupervise } from "@/api/session";
import { FilterMenu } from "@/components/filter-menu";
import { Button } from "@/components/ui/button";
import { Input } from "@/components/ui/input";
import { cn } from "@/lib/cn";
import { duration } from "@/lib/format";
import { chosenResumes, keepResumes, pauseAct, RESUMES } from "@/lib/pause-choice";
import {
  actTrouble,
  lampMeaning,
  lampOf,
  nextAct,
  pausedBy,
  secondsLeft,
  type Lamp,
} from "@/lib/recording-words";
import { useNow } from "@/lib/ticker";
import type { Call } from "@/wire/Call";
import type { Me } from "@/wire/Me";

/** Longest reason that is sent. */
const REASON_LETTERS = 200;

const TONE: Partial<Record<Lamp, string>> = {
  paused: "border-warn/50 text-warn-ink",
  pausing: "border-warn/50 text-warn-ink",
  unconfirmed: "border-bad/50 bg-bad-soft text-bad-ink",
  failed: "border-bad/50 bg-bad-soft text-bad-ink",
  degraded: "border-warn/50 text-warn-ink",
};

/** What the recording of a live call does, in words, with what pauses and resumes it. */
export function RecordingControl({ call, me }: { call: Call; me: Me }) {
  const acting = useActing(call.id);
  const now = useNow();
  const flag = call.recording;
  const lamp = lampOf(flag, acting);
  const left = lamp === "paused" ? secondsLeft(flag, now) : undefined;
  const trouble = actTrouble(acting, lamp);
  const who = lamp === "paused" || lamp === "unconfirmed" ? pausedBy(flag.pausedBy, me.id) : "";
  return (
    <div data-testid="recording-control" className="grid gap-2.5">
      <div
        role="status"
        className={cn(
          "flex items-start justify-between gap-3 rounded-md",
          TONE[lamp] !== undefined && "border px-3 py-2",
          TONE[lamp],
        )}
      >
        <p>
          {lampMeaning(lamp, flag)}
          {who !== "" && <span className="block text-xs">Paused {who}.</span>}
        </p>
        {left !== undefined && (
          // what changes every second is not read out; the sentence says until when
          <span aria-hidden className="shrink-0 text-right">
            <span data-testid="resumes-in" className="block font-semibold tabular-nums">
              {duration(left)}
            </span>
            <span className="block text-2xs">until it goes on</span>
          </span>
        )}
      </div>
      {maySupervise(me) && <Acts call={call} lamp={lamp} />}
      {trouble !== undefined && (
        <p role="alert" className="text-bad-ink">
          {trouble}
        </p>
      )}
    </div>
  );
}

function Acts({ call, lamp }: { call: Call; lamp: Lamp }) {
  const client = useQueryClient();
  const [reason, setReason] = useState("");
  const [resumes, setResumes] = useState(chosenResumes);
  const next = nextAct(lamp);
  const act = (what: RecordingAct) => actOnRecording(client, call.id, what);
  const resume = (
    <Button
      variant={lamp === "paused" ? "primary" : "outline"}
      onClick={() => act({ act: "resume" })}
    >
      <Play aria-hidden className="fill-current" />
      Resume
    </Button>
  );
  if (lamp === "pausing" || lamp === "resuming") {
    return (
      <Button disabled className="justify-self-start">
        <LoaderCircle aria-hidden className="animate-spin" />
        {lamp === "pausing" ? "Pausing…" : "Resuming…"}
      </Button>
    );
  }
  if (next === undefined) return null;
  if (next === "resume") return <div>{resume}</div>;
  return (
    <form
      className="flex flex-wrap items-center gap-2"
      onSubmit={(event) => {
        event.preventDefault();
        act(pauseAct(reason));
        setReason("");
      }}
    >
      <Input
        aria-label="Why it is paused"
        placeholder="Why? For example: card number"
        maxLength={REASON_LETTERS}
        value={reason}
        className="h-7 w-full text-xs"
        onChange={(event) => setReason(event.target.value)}
      />
      <Button type="submit" title="Pause the recording (R)">
        <Pause aria-hidden className="fill-current" />
        {lamp === "unconfirmed" ? "Pause again" : "Pause"}
      </Button>
      {lamp === "unconfirmed" && resume}
      <FilterMenu
        label="How long"
        unlimited="Until resumed"
        value={resumes}
        options={RESUMES}
        onChange={(chosen) => {
          setResumes(chosen);
          keepResumes(chosen);
        }}
      />
    </form>
  );
}
