import {
  keepPreviousData,
  useInfiniteQuery,
  useQuery,
  type QueryClient,
  type UseQueryResult,
} from "@tanstack/react-query";
import type { Call } from "@/wire/Call";
import type { ListenGrant } from "@/wire/ListenGrant";
import type { Recording } from "@/wire/Recording";
import { newerThan, startOfSnapshot } from "@/realtime/patches";
import { request, type Page } from "./client";
import { keys } from "./query";

/** Most calls the live list loads: far above what one supervisor can look at. */
const MAX_ACTIVE_CALLS = 2000;
const PAGE_SIZE = 100;

/** Every active call of the tenant, page by page. */
async function fetchActive(client: QueryClient, signal: AbortSignal): Promise<Call[]> {
  const since = startOfSnapshot(client);
  const calls: Call[] = [];
  let cursor: string | undefined;
  do {
    const page: Page<Call> = await request("GET", "/api/calls/active", {
      query: { limit: PAGE_SIZE, cursor },
      signal,
    });
    calls.push(...page.items);
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined && calls.length < MAX_ACTIVE_CALLS);
  return newerThan(client, since, calls);
}

/** The live calls, kept up to date by the socket; ended ones stay for a few seconds. */
export function useActiveCalls(): UseQueryResult<Call[]> {
  return useQuery({
    queryKey: keys.activeCalls,
    queryFn: ({ client, signal }) => fetchActive(client, signal),
    staleTime: Infinity,
    structuralSharing: false, // patches keep the identity of what did not change
  });
}

/** One call. */
export function useCall(id: string): UseQueryResult<Call> {
  return useQuery({
    queryKey: keys.call(id),
    queryFn: ({ signal }) =>
      request<Call>("GET", `/api/calls/${encodeURIComponent(id)}`, { signal }),
  });
}

/** How often it is looked whether a recording has arrived in the store. */
const ARRIVES_EVERY_MS = 3_000;

/** The recordings of a call, looked at again while one is on its way to the store. */
export function useRecordings(callId: string, ended: boolean): UseQueryResult<Recording[]> {
  const isUnderWay = ({ state }: Recording) =>
    state === "sealed" || (ended && state === "recording");
  return useQuery<Recording[]>({
    queryKey: keys.recordings(callId),
    refetchInterval: ({ state }) =>
      state.data?.some(isUnderWay) === true ? ARRIVES_EVERY_MS : false,
    queryFn: async ({ signal }) => {
      const path = `/api/calls/${encodeURIComponent(callId)}/recordings`;
      const found = await request<Page<Recording> | Recording[]>("GET", path, { signal });
      return Array.isArray(found) ? found : found.items;
    },
  });
}

/** A local day's first or last moment as RFC 3339; `undefined` when the day is not one. */
export function dayLimit(day: string, end: boolean): string | undefined {
  const at = new Date(`${day}T${end ? "23:59:59.999" : "00:00:00.000"}`);
  return Number.isNaN(at.getTime()) ? undefined : at.toISOString();
}

/** Calls that a query finds, newest first, page after page. */
export function useHistory(query: Record<string, string | undefined>) {
  return useInfiniteQuery({
    queryKey: [...keys.histories, query],
    initialPageParam: undefined as string | undefined,
    placeholderData: keepPreviousData,
    queryFn: ({ pageParam, signal }) =>
      request<Page<Call>>("GET", "/api/calls", {
        query: { ...query, limit: 50, cursor: pageParam },
        signal,
      }),
    getNextPageParam: (last) => last.nextCursor ?? undefined,
  });
}

/** Asks for the right to hear a call. */
export function listen(callId: string): Promise<ListenGrant> {
  return request("POST", `/api/calls/${encodeURIComponent(callId)}/listen`);
}

/** Gives the right back. Goes out even when the page is being left. */
export function unlisten(callId: string): Promise<void> {
  return request("DELETE", `/api/calls/${encodeURIComponent(callId)}/listen`, { keepalive: true });
}
