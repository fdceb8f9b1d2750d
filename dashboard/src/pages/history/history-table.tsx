import {
  createColumnHelper,
  tableFeatures,
  useTable,
  type ReactTable,
} from "@tanstack/react-table";
import { useVirtualizer } from "@tanstack/react-virtual";
import { ArrowRight, Disc2, TriangleAlert } from "lucide-react";
import { useEffect, useRef } from "react";
import { DirectionIcon, UpstreamBadge } from "@/components/call-bits";
import { Button } from "@/components/ui/button";
import { agentLabel, customerLabel } from "@/lib/call-words";
import { cn } from "@/lib/cn";
import { duration, moment, momentWithZone, words } from "@/lib/format";
import { serverNow } from "@/lib/ticker";
import type { Call } from "@/wire/Call";

export const ROW_HEIGHT = 40;
/** The next page is asked for when this many rows are left below. */
const AHEAD = 10;
/** Columns marked in `WIDE` need room. */
const COLUMNS =
  "grid grid-cols-[7rem_minmax(0,1fr)_minmax(0,1fr)_4rem_2.5rem] items-center gap-x-4 px-4 @min-[52rem]:grid-cols-[7rem_minmax(0,1fr)_minmax(0,1fr)_minmax(0,1.3fr)_4.5rem_8rem_4rem_2.5rem]";
const WIDE = new Set(["route", "upstream", "end"]);
const RIGHT = new Set(["duration"]);

const features = tableFeatures({});
const helper = createColumnHelper<typeof features, Call>();
const columns = helper.columns([
  helper.display({
    id: "started",
    header: "Started",
    cell: ({ row: { original: call } }) => (
      <time
        dateTime={call.startedAt}
        title={momentWithZone(call.startedAt)}
        className="text-ink-soft tabular-nums"
      >
        {moment(call.startedAt, serverNow())}
      </time>
    ),
  }),
  helper.accessor(customerLabel, {
    id: "customer",
    header: "Customer",
    cell: ({ getValue }) => <span className="font-medium">{getValue()}</span>,
  }),
  helper.accessor(agentLabel, { id: "agent", header: "Agent" }),
  helper.display({
    id: "route",
    header: "Call",
    cell: ({ row: { original: call } }) => (
      <span className="flex min-w-0 items-center gap-1.5 text-ink-soft tabular-nums">
        <DirectionIcon direction={call.direction} />
        <span className="truncate">{call.from}</span>
        <ArrowRight aria-label="to" className="size-3 shrink-0 text-ink-faint" />
        <span className="truncate">{call.to}</span>
      </span>
    ),
  }),
  helper.display({
    id: "upstream",
    header: "Upstream",
    cell: ({ row: { original: call } }) => <UpstreamBadge upstream={call.upstream} />,
  }),
  helper.accessor((call) => call.endReason?.class, {
    id: "end",
    header: "Ended by",
    cell: ({ row: { original: call } }) =>
      call.endReason === undefined ? null : (
        <span className="text-ink-soft" title={words(call.endReason.code)}>
          {words(call.endReason.class)}
        </span>
      ),
  }),
  helper.accessor((call) => call.durationSeconds, {
    id: "duration",
    header: "Length",
    cell: ({ getValue }) => <span className="tabular-nums">{duration(getValue())}</span>,
  }),
  helper.display({
    id: "recording",
    header: () => <span className="sr-only">Recording</span>,
    cell: ({ row: { original: call } }) => <Recorded call={call} />,
  }),
]);

/** Whether there is a recording to be heard, or one that should be there and is not. */
function Recorded({ call }: { call: Call }) {
  const stored = call.recordingStoredUrl !== undefined;
  if (!stored && call.recording.state !== "failed") return null;
  const [Icon, look, text] = stored
    ? [Disc2, "text-accent-ink", "There is a recording"]
    : [TriangleAlert, "text-warn-ink", "The recording failed"];
  return (
    <span title={text} className={look}>
      <Icon aria-hidden className="size-4" />
      <span className="sr-only">{text}</span>
    </span>
  );
}

type Table = ReactTable<typeof features, Call>;

interface Props {
  calls: Call[];
  selectedId: string | undefined;
  onOpen: (callId: string) => void;
  more: boolean;
  loadingMore: boolean;
  moreError: string | undefined;
  onMore: () => void;
}

const cellClass = (id: string) =>
  cn(
    "min-w-0 truncate",
    WIDE.has(id) && "hidden @min-[52rem]:block",
    RIGHT.has(id) && "text-right",
  );

/** Ended calls, newest first, loaded as they are scrolled to. */
export function HistoryTable(props: Props) {
  const { calls, selectedId, onOpen, more, loadingMore, moreError, onMore } = props;
  const table = useTable({ features, columns, data: calls, getRowId: (call) => call.id });
  const rows = table.getRowModel().rows;
  const scroller = useRef<HTMLDivElement>(null);
  // eslint-disable-next-line react-hooks/incompatible-library -- the virtualizer renders this component itself
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    getItemKey: (index) => rows[index]?.id ?? index,
    estimateSize: () => ROW_HEIGHT,
    overscan: 10,
  });
  const selected = rows.findIndex((row) => row.id === selectedId);
  useEffect(() => {
    if (selected >= 0) virtual.scrollToIndex(selected, { align: "auto" });
    // only when the selection moves: rows that arrive do not scroll the list
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [selectedId]);
  const items = virtual.getVirtualItems();
  const lastInSight = items.at(-1)?.index ?? 0;
  useEffect(() => {
    const near = lastInSight >= rows.length - AHEAD;
    if (near && more && !loadingMore && moreError === undefined) onMore();
  }, [lastInSight, rows.length, more, loadingMore, moreError, onMore]);

  return (
    <div
      role="grid"
      aria-label="Past calls"
      aria-rowcount={rows.length + 1}
      className="@container flex h-full flex-col"
    >
      <Header table={table} />
      <div ref={scroller} role="rowgroup" className="min-h-0 flex-1 overflow-y-auto">
        <div role="presentation" className="relative" style={{ height: virtual.getTotalSize() }}>
          {items.map((item) => {
            const row = rows[item.index];
            if (row === undefined) return null;
            return (
              <HistoryRow
                key={row.id}
                table={table}
                row={row}
                index={item.index}
                top={item.start}
                selected={row.id === selectedId}
                onOpen={onOpen}
              />
            );
          })}
        </div>
        <Foot error={moreError} loading={loadingMore} onMore={onMore} />
      </div>
    </div>
  );
}

function Header({ table }: { table: Table }) {
  return table.getHeaderGroups().map((group) => (
    <div
      key={group.id}
      role="row"
      aria-rowindex={1}
      className={cn(COLUMNS, "h-8 shrink-0 border-b border-line")}
    >
      {group.headers.map((header) => (
        <span
          key={header.id}
          role="columnheader"
          className={cn("text-2xs font-medium text-ink-faint", cellClass(header.column.id))}
        >
          <table.FlexRender header={header} />
        </span>
      ))}
    </div>
  ));
}

interface RowProps {
  table: Table;
  row: ReturnType<Table["getRowModel"]>["rows"][number];
  index: number;
  top: number;
  selected: boolean;
  onOpen: (callId: string) => void;
}

function HistoryRow({ table, row, index, top, selected, onOpen }: RowProps) {
  return (
    <div
      role="row"
      data-testid="history-row"
      data-clickable
      data-recorded={row.original.recordingStoredUrl !== undefined}
      aria-rowindex={index + 2}
      aria-selected={selected}
      tabIndex={0}
      style={{ transform: `translateY(${top}px)`, height: ROW_HEIGHT }}
      className={cn(
        COLUMNS,
        "absolute inset-x-0 top-0 border-b border-line -outline-offset-2 hover:bg-hover",
        selected && "bg-selected hover:bg-selected",
      )}
      onClick={() => onOpen(row.id)}
      onKeyDown={(event) => {
        if (event.key === "Enter") onOpen(row.id);
      }}
    >
      {row.getAllCells().map((cell) => (
        <span key={cell.id} role="gridcell" className={cellClass(cell.column.id)}>
          <table.FlexRender cell={cell} />
        </span>
      ))}
    </div>
  );
}

interface FootProps {
  error: string | undefined;
  loading: boolean;
  onMore: () => void;
}

function Foot({ error, loading, onMore }: FootProps) {
  if (error !== undefined) {
    return (
      <div role="alert" className="flex items-center gap-3 px-4 py-3 text-bad-ink">
        {error}
        <Button onClick={onMore}>Try again</Button>
      </div>
    );
  }
  return loading ? (
    <p role="status" className="px-4 py-3 text-ink-soft">
      Loading more…
    </p>
  ) : null;
}
