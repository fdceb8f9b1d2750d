import { LoaderCircle, Play } from "lucide-react";
import { use, useId, useState, type SyntheticEvent } from "react";
import { errorText } from "@/api/client";
import { useAnnotate, useAnnotations, type NewAnnotation } from "@/api/notes";
import { mayWriteAbout } from "@/api/session";
import { Button } from "@/components/ui/button";
import { Checkbox } from "@/components/ui/checkbox";
import { Skeleton } from "@/components/ui/skeleton";
import { Textarea } from "@/components/ui/textarea";
import { secondsOf } from "@/lib/call-words";
import { cn } from "@/lib/cn";
import { duration, moment, momentWithZone } from "@/lib/format";
import { useNow } from "@/lib/ticker";
import { CallTimeContext, useCallTime } from "@/player/call-time";
import { isEnded } from "@/realtime/patches";
import type { Annotation } from "@/wire/Annotation";
import type { Call } from "@/wire/Call";
import type { Me } from "@/wire/Me";
import { ANNOTATIONS } from "./annotation-words";
import { CallSection } from "./section";

/** Characters of an annotation, at most. */
const TEXT_MAX = 2_000;
const WRITABLE = ["note", "bookmark", "flag"] as const;
type Writable = (typeof WRITABLE)[number];

const ABOUT: Record<Writable, string> = {
  note: "What is worth knowing about this call",
  bookmark: "What happens here (optional)",
  flag: "Why somebody should look at it (optional)",
};

/** Notes, bookmarks and flags: those that there are, and a new one. */
export function Notes({ call, me }: { call: Call; me: Me }) {
  const annotations = useAnnotations(call.id);
  const found = annotations.data ?? [];
  return (
    <CallSection title="Notes and marks">
      {annotations.isPending ? (
        <div role="status">
          <span className="sr-only">Loading the notes</span>
          <Skeleton className="h-12" />
        </div>
      ) : annotations.data === undefined ? (
        <div role="alert" className="text-bad-ink">
          {errorText(annotations.error)}
          <Button className="ml-2" onClick={() => void annotations.refetch()}>
            Try again
          </Button>
        </div>
      ) : (
        <List annotations={found} />
      )}
      {mayWriteAbout(call, me) && <Write call={call} />}
      {found.length === 0 && annotations.isSuccess && !mayWriteAbout(call, me) && (
        <p className="text-ink-soft">Nobody has written anything about this call.</p>
      )}
    </CallSection>
  );
}

function List({ annotations }: { annotations: readonly Annotation[] }) {
  if (annotations.length === 0) return null;
  return (
    <ul className="mb-3 grid gap-3">
      {annotations.map((annotation) => (
        <Entry key={annotation.id} annotation={annotation} />
      ))}
    </ul>
  );
}

function Entry({ annotation }: { annotation: Annotation }) {
  const { kind, text, atMs, by, createdAt } = annotation;
  const { icon: Icon, word, ink } = ANNOTATIONS[kind];
  const now = useNow();
  return (
    <li data-testid="annotation" className="grid grid-cols-[1rem_minmax(0,1fr)] gap-2">
      <Icon aria-hidden className={cn("mt-0.5 size-4", ink)} />
      <div className="min-w-0">
        <p className="break-words whitespace-pre-wrap">
          {text !== "" && <span className="sr-only">{word}: </span>}
          {text === "" ? word : text}
        </p>
        <p className="flex flex-wrap items-center gap-x-1.5 text-xs text-ink-soft">
          {atMs !== undefined && <AtMoment atMs={atMs} />}
          <span>{by.name}</span>
          <time dateTime={createdAt} title={momentWithZone(createdAt)} className="tabular-nums">
            {moment(createdAt, now)}
          </time>
        </p>
      </div>
    </li>
  );
}

/** The moment of the call: played from where there is sound of it. */
function AtMoment({ atMs }: { atMs: number }) {
  const time = use(CallTimeContext);
  const playable = useCallTime((known) => known.has(atMs)) === true;
  const text = duration(atMs / 1000);
  if (!playable) return <span className="font-medium tabular-nums">{text}</span>;
  return (
    <button
      type="button"
      aria-label={`Play from ${text}`}
      onClick={() => time?.playFrom(atMs)}
      className="-mx-1 inline-flex items-center gap-1 rounded px-1 font-medium text-accent-ink tabular-nums hover:bg-hover"
    >
      <Play aria-hidden className="size-2.5 fill-current" />
      {text}
    </button>
  );
}

function Write({ call }: { call: Call }) {
  const annotate = useAnnotate(call.id);
  const [kind, setKind] = useState<Writable>("note");
  const [text, setText] = useState("");
  const [atMoment, setAtMoment] = useState(false);
  const here = useHere(call);
  const pinned = atMoment || kind === "bookmark";
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    const wanted: NewAnnotation = { kind, text: text.trim() };
    if (pinned && here !== undefined) wanted.atMs = here;
    annotate.mutate(wanted, {
      onSuccess: () => {
        setText("");
        setAtMoment(false);
      },
    });
  };
  return (
    <form onSubmit={submit} className="grid gap-2">
      <Kinds kind={kind} onChange={setKind} />
      <Textarea
        required={kind === "note"}
        aria-label={`${ANNOTATIONS[kind].word}: ${ABOUT[kind]}`}
        placeholder={ABOUT[kind]}
        maxLength={TEXT_MAX}
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          annotate.reset();
        }}
        onKeyDown={(event) => {
          const held = event.ctrlKey || event.metaKey;
          if (event.key === "Enter" && held) event.currentTarget.form?.requestSubmit();
        }}
      />
      <div className="flex min-h-7 items-center gap-3">
        <Button
          type="submit"
          variant="primary"
          disabled={annotate.isPending || (kind === "note" && text.trim() === "")}
        >
          {annotate.isPending && <LoaderCircle aria-hidden className="animate-spin" />}
          Add {ANNOTATIONS[kind].word.toLowerCase()}
        </Button>
        {here !== undefined && (
          <AtHere atMs={here} checked={pinned} fixed={kind === "bookmark"} onChange={setAtMoment} />
        )}
      </div>
      {annotate.isError && (
        <p role="alert" className="text-bad-ink">
          {errorText(annotate.error)} It was not added.
        </p>
      )}
    </form>
  );
}

/** The moment that is meant: where the recording is, or now while the call goes on. */
function useHere(call: Call): number | undefined {
  const now = useNow();
  const played = useCallTime(({ positionMs }) =>
    positionMs === undefined ? undefined : Math.floor(positionMs / 1000) * 1000,
  );
  if (played !== undefined) return played;
  return isEnded(call) ? undefined : Math.max(0, Math.floor(secondsOf(call, now)) * 1000);
}

function Kinds({ kind, onChange }: { kind: Writable; onChange: (kind: Writable) => void }) {
  return (
    <div role="group" aria-label="Kind" className="flex gap-1">
      {WRITABLE.map((each) => {
        const { icon: Icon, word } = ANNOTATIONS[each];
        return (
          <Button
            key={each}
            variant={each === kind ? "on" : "quiet"}
            aria-pressed={each === kind}
            onClick={() => onChange(each)}
          >
            <Icon aria-hidden />
            {word}
          </Button>
        );
      })}
    </div>
  );
}

interface AtHereProps {
  atMs: number;
  checked: boolean;
  fixed: boolean;
  onChange: (checked: boolean) => void;
}

function AtHere({ atMs, checked, fixed, onChange }: AtHereProps) {
  const id = useId();
  return (
    <span className="flex items-center gap-1.5 text-xs text-ink-soft">
      <Checkbox
        id={id}
        checked={checked}
        disabled={fixed}
        onCheckedChange={(next) => onChange(next === true)}
      />
      <label htmlFor={id} className="tabular-nums">
        at {duration(atMs / 1000)}
      </label>
    </span>
  );
}
