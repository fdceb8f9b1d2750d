import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useRef, useState } from "react";
import type { Call } from "@/wire/Call";
import type { Me } from "@/wire/Me";
import { CallTile } from "./call-tile";
import { pinnedFirst } from "./layout";
import { useStillRows } from "./rows-held";

/** A tile's least width, and its height, in pixels: all are the same, so that nothing is measured. */
const TILE_WIDTH = 300;
const TILE_HEIGHT = 236;
const GAP = 12;

interface Props {
  calls: readonly Call[];
  me: Me;
  selectedId: string | undefined;
  /** Whether the chosen call has the keys: an open one has them itself. */
  keyed: boolean;
  pinned: readonly string[];
  onPin: (callId: string) => void;
  onOpen: (callId: string) => void;
  /** Tells in which order the tiles stand, and how many side by side, for the keys. */
  onOrder: (ids: readonly string[], columns: number) => void;
}

/** How many tiles fit side by side. */
function useColumns(): [(element: HTMLElement | null) => void, number] {
  const [element, setElement] = useState<HTMLElement | null>(null);
  const [columns, setColumns] = useState(3);
  useEffect(() => {
    if (element === null) return;
    const measure = () =>
      setColumns(Math.max(1, Math.floor((element.clientWidth - GAP) / (TILE_WIDTH + GAP))));
    const resized = new ResizeObserver(measure);
    resized.observe(element);
    return () => resized.disconnect();
  }, [element]);
  return [setElement, columns];
}

/** The live calls as tiles: pinned ones first, only what is in sight exists. */
export function CallTiles(props: Props) {
  const { calls, me, selectedId, keyed, pinned, onPin, onOpen, onOrder } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const [measured, columns] = useColumns();
  const [pointed, setPointed] = useState(false);
  const rows = useStillRows(pinnedFirst(calls, pinned), pointed);
  // eslint-disable-next-line react-hooks/incompatible-library -- the virtualizer renders this component itself
  const virtual = useVirtualizer({
    count: Math.ceil(rows.length / columns),
    getScrollElement: () => scroller.current,
    estimateSize: () => TILE_HEIGHT + GAP,
    paddingStart: GAP,
    overscan: 2,
  });
  useEffect(
    () =>
      onOrder(
        rows.map((call) => call.id),
        columns,
      ),
    [rows, columns, onOrder],
  );
  useEffect(() => {
    const index = rows.findIndex((call) => call.id === selectedId);
    if (index >= 0) virtual.scrollToIndex(Math.floor(index / columns), { align: "auto" });
    // only when the selection moves: tiles that change do not scroll by themselves
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [selectedId]);
  return (
    <div
      ref={(element) => {
        scroller.current = element;
        measured(element);
      }}
      className="h-full overflow-y-auto bg-canvas"
      onPointerEnter={(event) => setPointed(event.pointerType === "mouse")}
      onPointerLeave={() => setPointed(false)}
    >
      <ul
        aria-label="Live calls"
        className="relative mx-3"
        style={{ height: virtual.getTotalSize() }}
      >
        {virtual.getVirtualItems().flatMap((line) =>
          rows.slice(line.index * columns, (line.index + 1) * columns).map((call, column) => (
            <li
              key={call.id}
              className="absolute top-0"
              style={{
                height: TILE_HEIGHT,
                width: `calc((100% - ${(columns - 1) * GAP}px) / ${columns})`,
                left: `calc((100% + ${GAP}px) / ${columns} * ${column})`,
                transform: `translateY(${line.start}px)`,
              }}
            >
              <CallTile
                call={call}
                me={me}
                selected={call.id === selectedId}
                keyed={keyed && call.id === selectedId}
                pinned={pinned.includes(call.id)}
                onPin={onPin}
                onOpen={onOpen}
              />
            </li>
          )),
        )}
      </ul>
    </div>
  );
}
