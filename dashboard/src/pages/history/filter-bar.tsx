import { CalendarDays, ChevronDown, ListFilter, X } from "lucide-react";
import { type ReactNode, type Ref } from "react";
import { StackedField } from "@/components/form";
import { FilterMenu } from "@/components/filter-menu";
import { SearchField } from "@/components/search-field";
import { Button } from "@/components/ui/button";
import { Input } from "@/components/ui/input";
import { Popover, PopoverContent, PopoverTrigger } from "@/components/ui/popover";
import { UPSTREAMS, upstreamName } from "@/lib/call-words";
import { cn } from "@/lib/cn";
import { serverNow } from "@/lib/ticker";
import {
  daysOf,
  isFiltered,
  NO_FILTERS,
  RANGES,
  STATUSES,
  whenOf,
  whenText,
  type HistoryFilters,
} from "./filters";

interface Props {
  filters: HistoryFilters;
  onChange: (filters: HistoryFilters) => void;
  searchField: Ref<HTMLInputElement>;
  /** What stands at the end of the bar. */
  children: ReactNode;
}

/** Everything that narrows the history, in one line. */
export function FilterBar({ filters, onChange, searchField, children }: Props) {
  const set = (part: Partial<HistoryFilters>) => onChange({ ...filters, ...part });
  return (
    <div
      role="search"
      className="flex min-h-11 shrink-0 flex-wrap items-center gap-2 border-b border-line px-4 py-1.5"
    >
      <SearchField
        ref={searchField}
        label="Search calls"
        value={filters.q}
        onChange={(q) => set({ q })}
      />
      <When when={filters.when} onChange={(when) => set({ when })} />
      <FilterMenu
        label="State"
        unlimited="Ended"
        value={filters.status}
        onChange={(status) => set({ status })}
        options={STATUSES}
      />
      <FilterMenu
        label="Direction"
        value={filters.direction}
        onChange={(direction) => set({ direction })}
        options={[
          ["", "All directions"],
          ["inbound", "Inbound"],
          ["outbound", "Outbound"],
          ["web", "Web"],
        ]}
      />
      <FilterMenu
        label="Upstream"
        value={filters.upstream}
        onChange={(upstream) => set({ upstream })}
        options={[
          ["", "All upstreams"] as const,
          ...UPSTREAMS.map((each) => [each, upstreamName(each)] as const),
        ]}
      />
      <More filters={filters} onChange={set} />
      {isFiltered(filters) && (
        <Button variant="quiet" onClick={() => onChange(NO_FILTERS)}>
          <X aria-hidden />
          Clear
        </Button>
      )}
      <div className="flex-1" />
      {children}
    </div>
  );
}

/** Ranges that move with time, or two days. */
function When({ when, onChange }: { when: string; onChange: (when: string) => void }) {
  const { first, last } = daysOf(when, serverNow());
  const moving = RANGES.some(([word]) => word === when);
  return (
    <Popover>
      <PopoverTrigger asChild>
        <Button
          variant={when === "" ? "outline" : "on"}
          aria-label={`When: ${when === "" ? "Any time" : whenText(when)}`}
        >
          <CalendarDays aria-hidden />
          {when === "" ? "Any time" : whenText(when)}
          <ChevronDown aria-hidden className="-mr-1 opacity-60" />
        </Button>
      </PopoverTrigger>
      <PopoverContent align="start" aria-label="When" className="w-64 p-1">
        {[["", "Any time"] as const, ...RANGES].map(([word, text]) => (
          <button
            key={word}
            type="button"
            aria-pressed={word === when}
            onClick={() => onChange(word)}
            className={cn(
              "flex h-7 w-full items-center rounded-[5px] px-2 text-left hover:bg-hover",
              word === when && "bg-selected font-medium",
            )}
          >
            {text}
          </button>
        ))}
        <div className="-mx-1 mt-1 grid grid-cols-2 gap-2 border-t border-line p-3 pb-2">
          <Day
            name="From"
            day={moving ? "" : first}
            onChange={(day) => onChange(whenOf(day, moving ? "" : last))}
          />
          <Day
            name="To"
            day={moving ? "" : last}
            onChange={(day) => onChange(whenOf(moving ? "" : first, day))}
          />
        </div>
      </PopoverContent>
    </Popover>
  );
}

interface DayProps {
  name: string;
  day: string;
  onChange: (day: string) => void;
}

function Day({ name, day, onChange }: DayProps) {
  return (
    <label className="grid gap-1 text-xs text-ink-soft">
      {name}
      <Input
        type="date"
        max="9999-12-31"
        value={day}
        className="h-7 px-1.5 text-xs tabular-nums"
        onChange={(event) => onChange(event.target.value)}
      />
    </label>
  );
}

interface MoreProps {
  filters: HistoryFilters;
  onChange: (part: Partial<HistoryFilters>) => void;
}

/** What is asked for less often. */
function More({ filters, onChange }: MoreProps) {
  const set = [
    filters.agent !== "" && `Agent: ${filters.agent}`,
    filters.tag !== "" && `Tag: ${filters.tag}`,
    filters.min !== "" && `≥ ${filters.min} s`,
  ].filter((each) => each !== false);
  return (
    <Popover>
      <PopoverTrigger asChild>
        <Button variant={set.length > 0 ? "on" : "outline"} className="max-w-72">
          <ListFilter aria-hidden />
          <span className="truncate">{set.length > 0 ? set.join(" · ") : "More"}</span>
        </Button>
      </PopoverTrigger>
      <PopoverContent align="start" aria-label="More filters" className="grid w-64 gap-3 p-3">
        <StackedField name="Agent" text="The name or the id, exactly.">
          {(props) => (
            <Input
              {...props}
              maxLength={200}
              value={filters.agent}
              onChange={(event) => onChange({ agent: event.target.value })}
            />
          )}
        </StackedField>
        <StackedField name="Tag">
          {(props) => (
            <Input
              {...props}
              maxLength={200}
              value={filters.tag}
              onChange={(event) => onChange({ tag: event.target.value })}
            />
          )}
        </StackedField>
        <StackedField name="At least this long" text="In seconds.">
          {(props) => (
            <Input
              {...props}
              inputMode="numeric"
              maxLength={5}
              value={filters.min}
              className="w-24 tabular-nums"
              onChange={(event) => onChange({ min: event.target.value.replace(/\D/g, "") })}
            />
          )}
        </StackedField>
      </PopoverContent>
    </Popover>
  );
}
