import { History as HistoryIcon, Lock, SearchX, ServerCrash } from "lucide-react";
import { useRef, useState, type ReactNode } from "react";
import { useLocation, useSearch } from "wouter";
import { useHistory } from "@/api/calls";
import { ApiError, errorText } from "@/api/client";
import { Button } from "@/components/ui/button";
import { Notice } from "@/components/ui/notice";
import { Skeleton } from "@/components/ui/skeleton";
import { cn } from "@/lib/cn";
import { useKeys } from "@/lib/keys";
import { useSettled } from "@/lib/settled";
import { serverNow } from "@/lib/ticker";
import type { PageProps } from "@/pages/registry";
import type { Call } from "@/wire/Call";
import { CallPage } from "./call-page";
import { ExportMenu } from "./export-menu";
import { FilterBar } from "./filter-bar";
import {
  isFiltered,
  NO_FILTERS,
  queryOf,
  readFilters,
  writeFilters,
  type HistoryFilters,
} from "./filters";
import { HistoryTable, ROW_HEIGHT } from "./history-table";
import { ViewsMenu } from "./views-menu";

/** The filters, kept in the address: it can be sent to somebody, and the way back leads to them. */
function useFilters(callId: string | undefined) {
  const filters = readFilters(useSearch());
  const [, navigate] = useLocation();
  const change = (next: HistoryFilters) => {
    const path = callId === undefined ? "/history" : `/history/${callId}`;
    navigate(`${path}${writeFilters(next)}`, { replace: true });
  };
  return [filters, change] as const;
}

/** The chosen row, and the calls around it. */
function useChoice(calls: readonly Call[], callId: string | undefined, filters: HistoryFilters) {
  const [, navigate] = useLocation();
  const [selectedId, setSelectedId] = useState(callId);
  const open = (id: string) => {
    setSelectedId(id);
    navigate(`/history/${id}${writeFilters(filters)}`);
  };
  const neighbour = (step: number) => {
    const at = calls.findIndex((call) => call.id === (callId ?? selectedId));
    if (at < 0) return callId === undefined ? calls[0] : undefined;
    return calls[at + step];
  };
  const opens = (step: number) => {
    const next = neighbour(step);
    return next && (() => open(next.id));
  };
  const select = (step: number) => {
    const next = neighbour(step);
    if (next !== undefined) setSelectedId(next.id);
  };
  const close = () => navigate(`/history${writeFilters(filters)}`);
  return { selectedId, open, opens, select, close };
}

export default function HistoryPage({ me, id: callId }: PageProps) {
  const [filters, setFilters] = useFilters(callId);
  const settled = useSettled(writeFilters(filters));
  const query = queryOf(readFilters(settled), serverNow());
  const history = useHistory(query);
  const searchField = useRef<HTMLInputElement>(null);
  const calls = history.data?.pages.flatMap((page) => page.items) ?? [];
  const { selectedId, open, opens, select, close } = useChoice(calls, callId, filters);
  useKeys(
    callId === undefined
      ? {
          ArrowDown: () => select(1),
          ArrowUp: () => select(-1),
          Enter: () => selectedId !== undefined && open(selectedId),
          "/": () => searchField.current?.focus(),
        }
      : {},
  );

  return (
    <div className="relative h-full">
      {/* stays where it was scrolled to while a call is looked at */}
      <div
        inert={callId !== undefined}
        className={cn("flex h-full flex-col bg-surface", callId !== undefined && "invisible")}
      >
        <FilterBar filters={filters} onChange={setFilters} searchField={searchField}>
          <ViewsMenu
            search={writeFilters(filters)}
            onChoose={(search) => setFilters(readFilters(search))}
          />
          {/* what the filters say, also while the list still settles */}
          <ExportMenu query={queryOf(filters, serverNow())} />
        </FilterBar>
        <div className={cn("min-h-0 flex-1", history.isPlaceholderData && "opacity-60")}>
          <States
            history={history}
            found={calls.length}
            filtered={isFiltered(filters)}
            onClear={() => setFilters(NO_FILTERS)}
          >
            <HistoryTable
              calls={calls}
              selectedId={selectedId}
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
        <CallPage
          key={callId}
          callId={callId}
          me={me}
          onBack={close}
          onBefore={opens(-1)}
          onNext={opens(1)}
        />
      )}
    </div>
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
