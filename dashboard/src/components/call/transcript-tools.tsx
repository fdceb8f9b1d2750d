import { Check, ChevronDown, ChevronUp, Clock, Copy, Download, TriangleAlert } from "lucide-react";
import { useState } from "react";
import { errorText } from "@/api/client";
import { downloadTranscript } from "@/api/transcripts";
import { SearchField } from "@/components/search-field";
import { Button } from "@/components/ui/button";
import {
  DropdownMenu,
  DropdownMenuContent,
  DropdownMenuItem,
  DropdownMenuTrigger,
} from "@/components/ui/dropdown-menu";
import { Tooltip } from "@/components/ui/tooltip";
import type { TranscriptFormat } from "@/wire/TranscriptFormat";

/** How long it is told that something was copied. */
const COPIED_MS = 2_000;

const FORMATS: readonly (readonly [TranscriptFormat, string])[] = [
  ["txt", "Text, to be read"],
  ["vtt", "WebVTT, for players"],
  ["srt", "SubRip, for video editors"],
  ["json", "JSON, for programs"],
];

interface Props {
  callId: string;
  query: string;
  onQuery: (query: string) => void;
  hits: number;
  /** Which hit is looked at, from 0. */
  current: number;
  onStep: (step: 1 | -1) => void;
  withTime: boolean;
  onWithTime: (withTime: boolean) => void;
  /** The whole of it as text. */
  copy: () => string;
}

/** Search with its hits, time on and off, copy, export. */
export function TranscriptTools(props: Props) {
  const [trouble, setTrouble] = useState<string>();
  return (
    <div className="shrink-0 border-b border-line">
      <div className="flex min-h-10 flex-wrap items-center gap-1 px-4 py-1">
        <Search {...props} />
        <div className="flex-1" />
        <Tooltip content={props.withTime ? "Hide times" : "Show times"}>
          <Button
            variant={props.withTime ? "on" : "quiet"}
            size="icon"
            aria-label="Times"
            aria-pressed={props.withTime}
            onClick={() => props.onWithTime(!props.withTime)}
          >
            <Clock aria-hidden />
          </Button>
        </Tooltip>
        <CopyButton copy={props.copy} onTrouble={setTrouble} />
        <ExportMenu callId={props.callId} onTrouble={setTrouble} />
      </div>
      {trouble !== undefined && (
        <p role="alert" className="flex items-center gap-1.5 px-4 pb-2 text-xs text-bad-ink">
          <TriangleAlert aria-hidden className="size-3.5" />
          {trouble}
        </p>
      )}
    </div>
  );
}

function Search({ query, onQuery, hits, current, onStep }: Props) {
  return (
    <div
      className="flex min-w-0 items-center gap-1"
      onKeyDown={(event) => {
        if (event.key !== "Enter" || !(event.target instanceof HTMLInputElement)) return;
        event.preventDefault();
        onStep(event.shiftKey ? -1 : 1);
      }}
    >
      <SearchField
        label="Search the transcript"
        keyHint={false}
        value={query}
        onChange={onQuery}
        className="w-52"
      />
      {query.trim() !== "" && (
        <>
          <span
            role="status"
            className="min-w-14 text-center text-xs text-ink-soft tabular-nums"
            data-testid="hits"
          >
            {hits === 0 ? "No hits" : `${current + 1} of ${hits}`}
          </span>
          <Button
            variant="quiet"
            size="icon"
            aria-label="Hit before"
            disabled={hits === 0}
            onClick={() => onStep(-1)}
          >
            <ChevronUp aria-hidden />
          </Button>
          <Button
            variant="quiet"
            size="icon"
            aria-label="Next hit"
            disabled={hits === 0}
            onClick={() => onStep(1)}
          >
            <ChevronDown aria-hidden />
          </Button>
        </>
      )}
    </div>
  );
}

interface TroubleProps {
  onTrouble: (text: string | undefined) => void;
}

function CopyButton({ copy, onTrouble }: TroubleProps & Pick<Props, "copy">) {
  const [copied, setCopied] = useState(false);
  const press = async () => {
    try {
      await navigator.clipboard.writeText(copy());
      onTrouble(undefined);
      setCopied(true);
      setTimeout(() => setCopied(false), COPIED_MS);
    } catch {
      onTrouble("This browser does not let the page copy. Export it as text instead.");
    }
  };
  return (
    <Tooltip content="Copy all of it">
      <Button
        variant="quiet"
        size="icon"
        aria-label={copied ? "Copied" : "Copy the transcript"}
        onClick={() => void press()}
      >
        {copied ? <Check aria-hidden className="text-good-ink" /> : <Copy aria-hidden />}
      </Button>
    </Tooltip>
  );
}

function ExportMenu({ callId, onTrouble }: TroubleProps & Pick<Props, "callId">) {
  const get = async (format: TranscriptFormat) => {
    try {
      await downloadTranscript(callId, format);
      onTrouble(undefined);
    } catch (error) {
      onTrouble(errorText(error));
    }
  };
  return (
    <DropdownMenu>
      <DropdownMenuTrigger asChild>
        <Button variant="quiet" size="icon" aria-label="Export the transcript">
          <Download aria-hidden />
        </Button>
      </DropdownMenuTrigger>
      <DropdownMenuContent align="end">
        {FORMATS.map(([format, word]) => (
          <DropdownMenuItem key={format} onSelect={() => void get(format)}>
            <span className="w-9 font-medium uppercase">{format}</span>
            <span className="text-ink-soft">{word}</span>
          </DropdownMenuItem>
        ))}
      </DropdownMenuContent>
    </DropdownMenu>
  );
}
