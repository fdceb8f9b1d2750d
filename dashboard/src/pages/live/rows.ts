import { agentLabel, customerLabel, upstreamName } from "@/lib/call-words";
import type { Call } from "@/wire/Call";
import type { Direction } from "@/wire/Direction";
import type { Upstream } from "@/wire/Upstream";

export type SortBy = "newest" | "oldest" | "customer" | "agent";

/** What the live list shows, kept per user in this browser. */
export interface LiveView {
  direction: Direction | "all";
  upstream: Upstream | "all";
  sort: SortBy;
}

export const DEFAULT_VIEW: LiveView = { direction: "all", upstream: "all", sort: "newest" };

const SORTS: readonly string[] = ["newest", "oldest", "customer", "agent"];

/** Whether what this browser kept is still a view. */
export function isLiveView(value: unknown): value is LiveView {
  if (typeof value !== "object" || value === null) return false;
  const { direction, upstream, sort } = value as Record<string, unknown>;
  return (
    typeof direction === "string" &&
    typeof upstream === "string" &&
    typeof sort === "string" &&
    SORTS.includes(sort)
  );
}

function searchable(call: Call): string {
  return [
    customerLabel(call),
    agentLabel(call),
    call.from,
    call.to,
    call.livekitRoomName ?? "",
    upstreamName(call.upstream),
    ...call.tags,
  ]
    .join("\n")
    .toLowerCase();
}

/** The calls that match every word of the search and the view's filters. */
export function matching(calls: readonly Call[], view: LiveView, search: string): Call[] {
  const wanted = search.toLowerCase().split(/\s+/).filter(Boolean);
  return calls.filter((call) => {
    if (view.direction !== "all" && call.direction !== view.direction) return false;
    if (view.upstream !== "all" && call.upstream !== view.upstream) return false;
    if (wanted.length === 0) return true;
    const text = searchable(call);
    return wanted.every((word) => text.includes(word));
  });
}

/** Sorted copies; calls that compare equal stand in order of their ids, which is that of time. */
export function sorted(calls: readonly Call[], by: SortBy): Call[] {
  const text = by === "customer" ? customerLabel : agentLabel;
  const compare = (a: Call, b: Call): number => {
    if (by === "newest") return Date.parse(b.startedAt) - Date.parse(a.startedAt);
    if (by === "oldest") return Date.parse(a.startedAt) - Date.parse(b.startedAt);
    return text(a).localeCompare(text(b));
  };
  return [...calls].sort((a, b) => compare(a, b) || (a.id < b.id ? -1 : 1));
}

/**
 * What to show when nothing may jump: every row stays where it was, even one whose call has gone,
 * and new calls are added at the end.
 */
export function heldRows(shown: readonly Call[], wanted: readonly Call[]): Call[] {
  const byId = new Map(wanted.map((call) => [call.id, call]));
  const kept = shown.map((row) => {
    const call = byId.get(row.id);
    byId.delete(row.id);
    return call ?? gone(row);
  });
  return [...kept, ...byId.values()];
}

function gone(row: Call): Call {
  return row.status === "ended" ? row : { ...row, status: "ended" };
}

/** Whether two lists show the same calls in the same state. */
export function sameRows(a: readonly Call[], b: readonly Call[]): boolean {
  return a.length === b.length && a.every((call, index) => call === b[index]);
}
