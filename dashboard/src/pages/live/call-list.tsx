import { useVirtualizer } from "@tanstack/react-virtual";
import { ArrowDown, ArrowUp } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { cn } from "@/lib/cn";
import type { Call } from "@/wire/Call";
import type { Me } from "@/wire/Me";
import { CallRow, COLUMNS, NOT_NARROW, ROW_HEIGHT, WIDE_ONLY } from "./call-row";
import type { SortBy } from "./rows";
import { useStillRows } from "./rows-held";

interface Props {
  calls: readonly Call[];
  me: Me;
  selectedId: string | undefined;
  sort: SortBy;
  onSort: (sort: SortBy) => void;
  onOpen: (callId: string) => void;
  /** Tells in which order the rows stand, for the arrow keys. */
  onOrder: (ids: readonly string[]) => void;
}

/** The live calls as a virtual list: only what is in sight exists. */
export function CallList({ calls, me, selectedId, sort, onSort, onOpen, onOrder }: Props) {
  const scroller = useRef<HTMLDivElement>(null);
  const [pointed, setPointed] = useState(false);
  const [scrolled, setScrolled] = useState(false);
  const held = pointed || scrolled;
  const rows = useStillRows(calls, held);
  // eslint-disable-next-line react-hooks/incompatible-library -- the virtualizer renders this component itself
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    getItemKey: (index) => rows[index]?.id ?? index,
    estimateSize: () => ROW_HEIGHT,
    overscan: 6,
  });

  useEffect(() => onOrder(rows.map((call) => call.id)), [rows, onOrder]);
  useEffect(() => {
    const index = rows.findIndex((call) => call.id === selectedId);
    if (index >= 0) virtual.scrollToIndex(index, { align: "auto" });
    // only when the selection moves: a list that changes does not scroll by itself
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [selectedId]);

  const items = virtual.getVirtualItems();
  const selectedInSight = items.some((item) => item.key === selectedId);
  return (
    <div
      role="grid"
      aria-label="Live calls"
      aria-rowcount={rows.length + 1}
      aria-activedescendant={selectedInSight ? `call-${selectedId}` : undefined}
      tabIndex={0}
      className="group/grid @container flex h-full min-h-0 flex-col focus-visible:outline-none"
    >
      <Header sort={sort} onSort={onSort} />
      <div
        ref={scroller}
        role="rowgroup"
        className="min-h-0 flex-1 overflow-y-auto"
        onScroll={(event) => setScrolled(event.currentTarget.scrollTop > 0)}
        onPointerEnter={(event) => setPointed(event.pointerType === "mouse")}
        onPointerLeave={() => setPointed(false)}
      >
        <div role="presentation" className="relative" style={{ height: virtual.getTotalSize() }}>
          {items.map((item) => {
            const call = rows[item.index];
            if (call === undefined) return null;
            return (
              <CallRow
                key={call.id}
                call={call}
                me={me}
                index={item.index}
                top={item.start}
                selected={call.id === selectedId}
                held={held}
                onOpen={onOpen}
              />
            );
          })}
        </div>
      </div>
    </div>
  );
}

interface HeaderProps {
  sort: SortBy;
  onSort: (sort: SortBy) => void;
}

function Header({ sort, onSort }: HeaderProps) {
  const plain = "text-2xs font-medium text-ink-faint";
  const byTime = sort === "newest" || sort === "oldest";
  return (
    <div
      role="row"
      aria-rowindex={1}
      className={cn(
        COLUMNS,
        "h-8 border-b border-line bg-surface group-focus-visible/grid:border-accent-ink",
      )}
    >
      <span role="columnheader">
        <span className="sr-only">Status</span>
      </span>
      <SortHeader
        word="Customer"
        direction={sort === "customer" ? "up" : undefined}
        onSort={() => onSort("customer")}
      />
      <SortHeader
        word="Agent"
        direction={sort === "agent" ? "up" : undefined}
        onSort={() => onSort("agent")}
      />
      <span role="columnheader" className={cn(plain, WIDE_ONLY)}>
        Call
      </span>
      <SortHeader
        word="Time"
        className="justify-self-end"
        direction={byTime ? (sort === "oldest" ? "down" : "up") : undefined}
        onSort={() => onSort(sort === "newest" ? "oldest" : "newest")}
      />
      <span role="columnheader" className={cn(plain, NOT_NARROW)}>
        State
      </span>
      <span role="columnheader">
        <span className="sr-only">Listen</span>
      </span>
    </div>
  );
}

interface SortHeaderProps {
  word: string;
  direction: "up" | "down" | undefined;
  onSort: () => void;
  className?: string;
}

function SortHeader({ word, direction, onSort, className }: SortHeaderProps) {
  const Arrow = direction === "down" ? ArrowDown : ArrowUp;
  const ariaSort = direction === "down" ? "descending" : "ascending";
  return (
    <span
      role="columnheader"
      aria-sort={direction === undefined ? "none" : ariaSort}
      className={className}
    >
      <button
        type="button"
        onClick={onSort}
        className={cn(
          "-mx-1 flex items-center gap-1 rounded px-1 text-2xs font-medium hover:text-ink",
          direction === undefined ? "text-ink-faint" : "text-ink-soft",
        )}
      >
        {word}
        {direction !== undefined && <Arrow aria-hidden className="size-3" />}
      </button>
    </span>
  );
}
