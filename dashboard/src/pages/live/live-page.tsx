import { useQueryClient } from "@tanstack/react-query";
import { AudioLines, Lock, SearchX, ServerCrash } from "lucide-react";
import { useCallback, useEffect, useRef, useState } from "react";
import { useLocation } from "wouter";
import { useActiveCalls } from "@/api/calls";
import { ApiError, errorText } from "@/api/client";
import { actingNow, actOnRecording } from "@/api/recording-acts";
import { maySupervise } from "@/api/session";
import { preloadClient, useListener, useListenings, useTalker } from "@/audio/context";
import { hearAlone } from "@/audio/solo";
import { CallPanel } from "@/components/call-panel";
import { FilterMenu } from "@/components/filter-menu";
import { whyNot } from "@/components/listen-button";
import { SearchField } from "@/components/search-field";
import { Button } from "@/components/ui/button";
import { Notice } from "@/components/ui/notice";
import { Skeleton } from "@/components/ui/skeleton";
import { UPSTREAMS, upstreamName } from "@/lib/call-words";
import { cn } from "@/lib/cn";
import { useKeys } from "@/lib/keys";
import { pauseAct } from "@/lib/pause-choice";
import { lampOf, nextAct } from "@/lib/recording-words";
import { recall, remember } from "@/lib/storage";
import type { PageProps } from "@/pages/registry";
import { isEnded } from "@/realtime/patches";
import type { Call } from "@/wire/Call";
import type { Me } from "@/wire/Me";
import { CallList } from "./call-list";
import { CallTiles } from "./call-tiles";
import { ROW_HEIGHT } from "./call-row";
import { useLayout } from "./layout";
import { LayoutSwitch } from "./layout-switch";
import { ListenDock } from "./listen-dock";
import { DEFAULT_VIEW, isLiveView, matching, sorted, type LiveView, type SortBy } from "./rows";

const NO_CALLS: readonly Call[] = [];

/** The view, kept per user in this browser. */
function useView(me: Me): [LiveView, (change: Partial<LiveView>) => void] {
  const key = `sidetone.live.${me.id}`;
  const [view, setView] = useState(() => recall(key, DEFAULT_VIEW, isLiveView));
  const change = (part: Partial<LiveView>) => {
    const next = { ...view, ...part };
    setView(next);
    remember(key, next);
  };
  return [view, change];
}

/** Makes ready to listen; stops when a call is over, and everything when the page is left. */
function useListeningFor({ data: calls, isFetching }: ReturnType<typeof useActiveCalls>): void {
  const listener = useListener();
  const listenings = useListenings();
  useEffect(() => {
    for (const { callId } of listenings) {
      const call = calls?.find((each) => each.id === callId);
      const over = call === undefined ? calls !== undefined && !isFetching : isEnded(call);
      if (over) void listener.stop(callId);
    }
  }, [calls, isFetching, listener, listenings]);
  useEffect(() => () => listener.stopAll(), [listener]);
  useEffect(() => preloadClient(), []);
}

/** Tells what speaks for the page who has the calls now. */
function useControlsOf(calls: readonly Call[]): void {
  const talker = useTalker();
  useEffect(() => {
    for (const { callId } of talker.calls()) {
      const call = calls.find((each) => each.id === callId);
      if (call !== undefined) talker.controlled(callId, call.control);
    }
  }, [calls, talker]);
}

/** The id `step` rows away; the first or last one when nothing is chosen yet. */
function neighbour(ids: readonly string[], from: string | undefined, step: number) {
  const at = from === undefined ? -1 : ids.indexOf(from);
  if (at < 0) return step > 0 ? ids[0] : ids.at(-1);
  return ids[at + step];
}

/** The chosen call and the open one, and the way from one to the next. */
function useChoice(callId: string | undefined) {
  const [selectedId, setSelectedId] = useState(callId);
  const [, navigate] = useLocation();
  const order = useRef<{ ids: readonly string[]; columns: number }>({ ids: [], columns: 1 });
  const open = useCallback(
    (id: string) => {
      setSelectedId(id);
      navigate(`/live/${id}`);
    },
    [navigate],
  );
  const setOrder = useCallback((ids: readonly string[], columns = 1) => {
    order.current = { ids, columns };
  }, []);
  const close = () => navigate("/live");
  const choose = (id: string) => (callId === undefined ? setSelectedId(id) : open(id));
  const move = (step: number) => {
    const next = neighbour(order.current.ids, selectedId, step);
    if (next !== undefined) choose(next);
  };
  const moveLine = (lines: 1 | -1) => move(lines * order.current.columns);
  /** The `n`th of what is shown, from 1. */
  const nth = (n: number) => order.current.ids[n - 1];
  return { selectedId, open, close, choose, move, moveLine, nth, setOrder };
}

export function LivePage({ me, id: callId }: PageProps) {
  const active = useActiveCalls();
  const [view, setView] = useView(me);
  const [search, setSearch] = useState("");
  const looks = useLayout();
  const choice = useChoice(callId);
  const { selectedId, open, close } = choice;
  const focused = looks.layout === "focus" && callId !== undefined;
  const searchField = useRef<HTMLInputElement>(null);
  const all = active.data ?? NO_CALLS;
  const calls = sorted(matching(all, view, search), view.sort);
  useListeningFor(active);
  useControlsOf(all);
  const chosen = all.find((call) => call.id === selectedId);
  const tiled = looks.layout === "tiles";
  useLiveKeys({ me, chosen, choice, tiled, search: () => searchField.current?.focus() });
  useTileKeys(tiled, me, all, choice);

  return (
    <div className="flex h-full min-h-0">
      <div
        className={cn(
          "flex min-w-0 flex-1 flex-col bg-surface",
          focused && "max-w-[30rem] max-lg:max-w-none",
        )}
      >
        <div className="flex min-h-11 shrink-0 flex-wrap items-center gap-2 border-b border-line px-4 py-1.5">
          <SearchField ref={searchField} label="Search calls" value={search} onChange={setSearch} />
          <Filters view={view} onChange={setView} />
          <div className="flex-1" />
          {calls.length !== all.length && (
            <span className="text-xs text-ink-soft tabular-nums">
              {calls.length} of {all.length}
            </span>
          )}
          <LayoutSwitch layout={looks.layout} error={looks.error} onChange={looks.setLayout} />
        </div>
        <div className="min-h-0 flex-1">
          <States
            active={active}
            found={calls.length}
            onClear={() => {
              setSearch("");
              setView(DEFAULT_VIEW);
            }}
          >
            <Calls
              calls={calls}
              me={me}
              looks={looks}
              choice={choice}
              keyed={callId === undefined}
              sort={view.sort}
              onSort={(sort) => setView({ sort })}
            />
          </States>
        </div>
        <ListenDock onOpen={open} />
      </div>
      {callId !== undefined && (
        <CallPanel key={callId} callId={callId} me={me} onClose={close} large={focused} />
      )}
    </div>
  );
}

interface CallsProps {
  calls: readonly Call[];
  me: Me;
  looks: ReturnType<typeof useLayout>;
  choice: ReturnType<typeof useChoice>;
  /** Whether the chosen call has the keys: no call is open. */
  keyed: boolean;
  sort: SortBy;
  onSort: (sort: SortBy) => void;
}

/** The calls in the chosen layout. */
function Calls({ calls, me, looks, choice, keyed, sort, onSort }: CallsProps) {
  const { selectedId, open, setOrder } = choice;
  const shared = { calls, me, selectedId, onOpen: open, onOrder: setOrder };
  return looks.layout === "tiles" ? (
    <CallTiles {...shared} keyed={keyed} pinned={looks.pinned} onPin={looks.togglePin} />
  ) : (
    <CallList {...shared} sort={sort} onSort={onSort} />
  );
}

interface KeyActs {
  me: Me;
  chosen: Call | undefined;
  choice: ReturnType<typeof useChoice>;
  tiled: boolean;
  search: () => void;
}

function useLiveKeys({ me, chosen, choice, tiled, search }: KeyActs): void {
  const { open, close, move, moveLine } = choice;
  const listener = useListener();
  const toggle = () => {
    if (chosen === undefined) return;
    const listening = listener.calls().find((each) => each.callId === chosen.id);
    if (listening !== undefined && listening.phase !== "failed") void listener.stop(chosen.id);
    else if (!isEnded(chosen) && whyNot(chosen, me) === undefined) void listener.listen(chosen.id);
  };
  const client = useQueryClient();
  const pauseOrResume = () => {
    if (chosen === undefined || isEnded(chosen) || !maySupervise(me)) return;
    const next = nextAct(lampOf(chosen.recording, actingNow(client, chosen.id)));
    if (next === undefined) return;
    actOnRecording(client, chosen.id, next === "pause" ? pauseAct() : { act: "resume" });
    open(chosen.id); // where it is shown how it goes
  };
  useKeys({
    ArrowDown: () => moveLine(1),
    ArrowUp: () => moveLine(-1),
    ...(tiled && { ArrowRight: () => move(1), ArrowLeft: () => move(-1) }),
    Enter: () => chosen && open(chosen.id),
    Escape: close,
    l: toggle,
    m: () => chosen && listener.toggleMute(chosen.id),
    r: pauseOrResume,
    "/": search,
  });
}

/** 1 to 9: a tile is chosen and heard alone, or all of them again. */
function useTileKeys(
  tiled: boolean,
  me: Me,
  calls: readonly Call[],
  choice: ReturnType<typeof useChoice>,
): void {
  const listener = useListener();
  const alone = (n: number) => {
    const call = calls.find(({ id }) => id === choice.nth(n));
    if (call === undefined) return;
    choice.choose(call.id);
    if (!isEnded(call) && whyNot(call, me) === undefined) hearAlone(listener, call.id);
  };
  const digits = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => [String(n), () => alone(n)] as const);
  useKeys(tiled ? Object.fromEntries(digits) : {});
}

interface FiltersProps {
  view: LiveView;
  onChange: (change: Partial<LiveView>) => void;
}

function Filters({ view, onChange }: FiltersProps) {
  return (
    <>
      <FilterMenu
        label="Direction"
        value={view.direction}
        onChange={(direction) => onChange({ direction })}
        options={[
          ["all", "All directions"],
          ["inbound", "Inbound"],
          ["outbound", "Outbound"],
          ["web", "Web"],
        ]}
      />
      <FilterMenu
        label="Upstream"
        value={view.upstream}
        onChange={(upstream) => onChange({ upstream })}
        options={[
          ["all", "All upstreams"] as const,
          ...UPSTREAMS.map((each) => [each, upstreamName(each)] as const),
        ]}
      />
    </>
  );
}

interface StatesProps {
  active: ReturnType<typeof useActiveCalls>;
  found: number;
  onClear: () => void;
  children: React.ReactNode;
}

/** What is there instead of rows. */
function States({ active, found, onClear, children }: StatesProps) {
  if (active.isPending) return <LoadingRows />;
  if (active.isError) {
    const forbidden = active.error instanceof ApiError && active.error.status === 403;
    return forbidden ? (
      <Notice
        icon={Lock}
        title="Not for your role"
        text="Ask an admin if you need to see live calls."
      />
    ) : (
      <Notice
        icon={ServerCrash}
        title="The calls could not be loaded"
        text={errorText(active.error)}
      >
        <Button onClick={() => void active.refetch()}>Try again</Button>
      </Notice>
    );
  }
  if (active.data.length === 0) {
    return (
      <Notice
        icon={AudioLines}
        title="No live calls"
        text="Calls appear here by themselves as soon as they begin."
      />
    );
  }
  if (found === 0) {
    return (
      <Notice
        icon={SearchX}
        title="No call matches"
        text="Other calls are live, but none of them fits the filters."
      >
        <Button onClick={onClear}>Clear the filters</Button>
      </Notice>
    );
  }
  return children;
}

function LoadingRows() {
  return (
    <div role="status">
      <span className="sr-only">Loading calls</span>
      <div className="h-8 border-b border-line" />
      {Array.from({ length: 8 }, (_, row) => (
        <div
          key={row}
          style={{ height: ROW_HEIGHT }}
          className="flex items-center gap-8 border-b border-line px-4"
        >
          <Skeleton className="size-2 rounded-full" />
          <Skeleton className="h-3.5 w-40" />
          <Skeleton className="h-3.5 w-40" />
          <Skeleton className="h-3.5 flex-1" />
          <Skeleton className="h-7 w-22" />
        </div>
      ))}
    </div>
  );
}
