import { History as HistoryIcon, Lock, SearchX, ServerCrash } from "lucide-react";
import { useDeferredValue, useRef, useState, type ReactNode } from "react";
import { useLocation } from "wouter";
import { useHistory, type HistoryFilters } from "@/api/calls";
import { ApiError, errorText } from "@/api/client";
import { CallPanel } from "@/components/call-panel";
import { FilterMenu } from "@/components/filter-menu";
import { SearchField } from "@/components/search-field";
import { Button } from "@/components/ui/button";
import { Input } from "@/components/ui/input";
import { Notice } from "@/components/ui/notice";
import { Skeleton } from "@/components/ui/skeleton";
import { UPSTREAMS, upstreamName } from "@/lib/call-words";
import { useKeys } from "@/lib/keys";
import type { PageProps } from "@/pages/registry";
import { HistoryTable, ROW_HEIGHT } from "./history-table";

const NO_FILTERS: HistoryFilters = { q: "", direction: "", upstream: "", fromDay: "", toDay: "" };

export default function HistoryPage({ me, id: callId }: PageProps) {
  const [filters, setFilters] = useState(NO_FILTERS);
  const history = useHistory(useDeferredValue(filters));
  const [, navigate] = useLocation();
  const searchField = useRef<HTMLInputElement>(null);
  const calls = history.data?.pages.flatMap((page) => page.items) ?? [];
  const open = (id: string) => navigate(`/history/${id}`);
  const close = () => navigate("/history");
  const move = (step: number) => {
    const at = calls.findIndex((call) => call.id === callId);
    const next = calls[at < 0 ? 0 : at + step];
    if (next !== undefined) open(next.id);
  };
  useKeys({
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    Escape: close,
    "/": () => searchField.current?.focus(),
  });

  return (
    <div className="flex h-full min-h-0">
      <div className="flex min-w-0 flex-1 flex-col bg-surface">
        <div className="flex min-h-11 shrink-0 flex-wrap items-center gap-2 border-b border-line px-4 py-1.5">
          <SearchField
            ref={searchField}
            label="Search calls"
            value={filters.q}
            onChange={(q) => setFilters({ ...filters, q })}
          />
          <Filters filters={filters} onChange={setFilters} />
        </div>
        <div className="min-h-0 flex-1">
          <States
            history={history}
            found={calls.length}
            filtered={filters !== NO_FILTERS}
            onClear={() => setFilters(NO_FILTERS)}
          >
            <HistoryTable
              calls={calls}
              selectedId={callId}
              onOpen={open}
              more={history.hasNextPage}
              loadingMore={history.isFetchingNextPage}
              moreError={history.isFetchNextPageError ? errorText(history.error) : undefined}
              onMore={() => void history.fetchNextPage()}
            />
          </States>
        </div>
      </div>
      {callId !== undefined && (
        <CallPanel key={callId} callId={callId} me={me} onClose={close} wide />
      )}
    </div>
  );
}

interface FiltersProps {
  filters: HistoryFilters;
  onChange: (filters: HistoryFilters) => void;
}

function Filters({ filters, onChange }: FiltersProps) {
  const day = (which: "fromDay" | "toDay", label: string) => (
    <label className="flex items-center gap-1.5 text-xs text-ink-soft">
      {label}
      <Input
        type="date"
        max="9999-12-31"
        value={filters[which]}
        className="h-7 w-32 text-xs tabular-nums"
        onChange={(event) => onChange({ ...filters, [which]: event.target.value })}
      />
    </label>
  );
  return (
    <>
      <FilterMenu
        label="Direction"
        value={filters.direction}
        onChange={(direction) => onChange({ ...filters, direction })}
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
        onChange={(upstream) => onChange({ ...filters, upstream })}
        options={[
          ["", "All upstreams"] as const,
          ...UPSTREAMS.map((each) => [each as string, upstreamName(each)] as const),
        ]}
      />
      {day("fromDay", "From")}
      {day("toDay", "To")}
    </>
  );
}

interface StatesProps {
  history: ReturnType<typeof useHistory>;
  found: number;
  filtered: boolean;
  onClear: () => void;
  children: ReactNode;
}

/** What is there instead of rows. */
function States({ history, found, filtered, onClear, children }: StatesProps) {
  if (history.isPending) return <LoadingRows />;
  if (history.isError && found === 0) {
    const forbidden = history.error instanceof ApiError && history.error.status === 403;
    return forbidden ? (
      <Notice
        icon={Lock}
        title="Not for your role"
        text="Ask an admin if you need to see past calls."
      />
    ) : (
      <Notice
        icon={ServerCrash}
        title="The history could not be loaded"
        text={errorText(history.error)}
      >
        <Button onClick={() => void history.refetch()}>Try again</Button>
      </Notice>
    );
  }
  if (found > 0) return children;
  return filtered ? (
    <Notice icon={SearchX} title="No call matches" text="Widen the search or the dates.">
      <Button onClick={onClear}>Clear the filters</Button>
    </Notice>
  ) : (
    <Notice icon={HistoryIcon} title="No calls yet" text="Every call that ends is kept here." />
  );
}

function LoadingRows() {
  return (
    <div role="status">
      <span className="sr-only">Loading calls</span>
      <div className="h-8 border-b border-line" />
      {Array.from({ length: 12 }, (_, row) => (
        <div
          key={row}
          style={{ height: ROW_HEIGHT }}
          className="flex items-center gap-8 border-b border-line px-4"
        >
          <Skeleton className="h-3.5 w-24" />
          <Skeleton className="h-3.5 w-40" />
          <Skeleton className="h-3.5 w-40" />
          <Skeleton className="h-3.5 flex-1" />
        </div>
      ))}
    </div>
  );
}
