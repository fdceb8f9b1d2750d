import { ArrowRight, ChevronDown } from "lucide-react";
import { useState } from "react";
import { Link } from "wouter";
import { useActiveCalls } from "@/api/calls";
import { CallTimer, StatusDot } from "@/components/call-bits";
import { Popover, PopoverContent, PopoverTrigger } from "@/components/ui/popover";
import { agentLabel, customerLabel } from "@/lib/call-words";
import { useStream } from "@/realtime/context";
import { isEnded } from "@/realtime/patches";
import type { Call } from "@/wire/Call";
import { BranchList } from "./branch-pulses";

/** Calls that the list below the counter shows; the Live page has all of them. */
const SHOWN = 8;

/** Counts the live calls. It is on every page, and so keeps their list up to date for all of them. */
export function ActiveCalls() {
  useStream("calls");
  const { data } = useActiveCalls();
  const [open, setOpen] = useState(false);
  if (data === undefined) return null;
  const live = data.filter((call) => !isEnded(call));
  const count = live.length;
  const close = () => setOpen(false);
  return (
    <Popover open={open} onOpenChange={setOpen}>
      <PopoverTrigger
        data-testid="active-count"
        className="ml-1 flex items-center gap-1 rounded-full bg-sunken px-2 py-px text-xs font-medium text-ink-soft tabular-nums hover:bg-hover hover:text-ink dark:bg-hover"
      >
        {count} active {count === 1 ? "call" : "calls"}
        <ChevronDown aria-hidden className="size-3 opacity-60" />
      </PopoverTrigger>
      <PopoverContent align="start" aria-label="Active calls" className="p-1">
        {count === 0 && (
          <p className="px-2.5 py-4 text-center text-ink-soft">No call goes on at the moment.</p>
        )}
        <ul>
          {newestFirst(live)
            .slice(0, SHOWN)
            .map((call) => (
              <CallLine key={call.id} call={call} onOpen={close} />
            ))}
        </ul>
        <Link
          href="/live"
          onClick={close}
          className="flex h-8 items-center gap-1.5 rounded-md px-2.5 font-medium text-accent-ink hover:bg-hover"
        >
          {count > SHOWN ? `All ${count} on the Live page` : "To the Live page"}
          <ArrowRight aria-hidden className="size-3.5" />
        </Link>
        <BranchList />
      </PopoverContent>
    </Popover>
  );
}

const newestFirst = (calls: readonly Call[]): Call[] =>
  [...calls].sort((a, b) => Date.parse(b.startedAt) - Date.parse(a.startedAt));

function CallLine({ call, onOpen }: { call: Call; onOpen: () => void }) {
  return (
    <li>
      <Link
        href={`/live/${call.id}`}
        onClick={onOpen}
        className="flex h-9 items-center gap-2 rounded-md px-2 hover:bg-hover"
      >
        <StatusDot status={call.status} />
        <span className="min-w-0 flex-1 truncate">{customerLabel(call)}</span>
        <span className="max-w-28 truncate text-xs text-ink-soft">{agentLabel(call)}</span>
        <CallTimer call={call} />
      </Link>
    </li>
  );
}
