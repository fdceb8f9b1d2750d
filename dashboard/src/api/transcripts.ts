import { useQuery, type QueryClient, type UseQueryResult } from "@tanstack/react-query";
import { withNewer, withSegment } from "@/lib/transcript";
import type { Transcript } from "@/wire/Transcript";
import type { TranscriptFormat } from "@/wire/TranscriptFormat";
import type { TranscriptUpdate } from "@/wire/TranscriptUpdate";
import { request } from "./client";
import { keys } from "./query";

const path = (callId: string) => `/api/calls/${encodeURIComponent(callId)}/transcript`;

/** What was said in a call, kept up to date by the socket while its stream is subscribed. */
export function useTranscript(callId: string): UseQueryResult<Transcript> {
  return useQuery({
    queryKey: keys.transcript(callId),
    queryFn: async ({ client, signal }) => {
      const loaded = await request<Transcript>("GET", path(callId), { signal });
      const heard = client.getQueryData<Transcript>(keys.transcript(callId))?.segments ?? [];
      return { ...loaded, segments: withNewer(loaded.segments, heard) };
    },
  });
}

/** Lays a message of the socket over what is known. */
export function patchTranscript(client: QueryClient, update: TranscriptUpdate): void {
  const { callId, segment, transcript } = update;
  client.setQueryData<Transcript>(keys.transcript(callId), (known) => {
    if (transcript !== undefined) {
      return { callId, segments: withNewer(known?.segments ?? [], transcript) };
    }
    // before the first load there is nothing to lay it over: the load brings it
    return known && { ...known, segments: withSegment(known.segments, segment) };
  });
}

/** Downloads a transcript. Throws an `ApiError` instead of leaving a broken file behind. */
export async function downloadTranscript(callId: string, format: TranscriptFormat): Promise<void> {
  // a download is noted in the audit log: whether it can be had is asked of the transcript, not of it
  await request("GET", path(callId));
  const link = document.createElement("a");
  link.href = `${path(callId)}?format=${format}`;
  link.download = `transcript-${callId}.${format}`;
  link.click();
}
