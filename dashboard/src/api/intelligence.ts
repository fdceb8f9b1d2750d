import { useQuery, type QueryClient, type UseQueryResult } from "@tanstack/react-query";
import type { LiveIntelligence } from "@/wire/LiveIntelligence";
import type { LiveUpdate } from "@/wire/LiveUpdate";
import { request } from "./client";
import { keys } from "./query";

/** What models say about a call, kept up to date by the socket. */
export function useIntelligence(callId: string): UseQueryResult<LiveIntelligence> {
  return useQuery({
    queryKey: keys.intelligence(callId),
    queryFn: ({ signal }) =>
      request<LiveIntelligence>("GET", `/api/calls/${encodeURIComponent(callId)}/live`, { signal }),
  });
}

/** Whether any part was ever written. */
export const hasIntelligence = ({ versions }: LiveIntelligence): boolean =>
  Object.keys(versions).length > 0;

/** A part put over the others, unless it is older than what is known. */
export function withPart(known: LiveIntelligence, update: LiveUpdate): LiveIntelligence {
  const { part, version, value } = update;
  if ((known.versions[part] ?? 0) >= version) return known;
  return { ...known, [part]: value, versions: { ...known.versions, [part]: version } };
}

/** Lays a message of the socket over what is known. */
export function patchIntelligence(client: QueryClient, update: LiveUpdate): void {
  client.setQueryData<LiveIntelligence>(keys.intelligence(update.callId), (known) =>
    known === undefined ? undefined : withPart(known, update),
  );
}
