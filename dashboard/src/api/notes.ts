import {
  useMutation,
  useQuery,
  useQueryClient,
  type QueryClient,
  type UseQueryResult,
} from "@tanstack/react-query";
import { patchesOf } from "@/realtime/patches";
import type { Annotation } from "@/wire/Annotation";
import type { AnnotationKind } from "@/wire/AnnotationKind";
import type { Call } from "@/wire/Call";
import type { Feedback } from "@/wire/Feedback";
import type { SupervisorAction } from "@/wire/SupervisorAction";
import { request, type Page } from "./client";
import { keys } from "./query";

/** Most entries of a call that are loaded: far above what people write about one. */
const MAX_ENTRIES = 1_000;

const path = (callId: string, part: string) => `/api/calls/${encodeURIComponent(callId)}/${part}`;

/** Every entry of a call's list, page by page. */
async function everything<T>(callId: string, part: string, signal: AbortSignal): Promise<T[]> {
  const found: T[] = [];
  let cursor: string | undefined;
  do {
    const query = { limit: 100, cursor };
    const page = await request<Page<T>>("GET", path(callId, part), { query, signal });
    found.push(...page.items);
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined && found.length < MAX_ENTRIES);
  return found;
}

const byTime = (a: Annotation, b: Annotation): number =>
  a.createdAt < b.createdAt ? -1 : a.createdAt > b.createdAt ? 1 : a.id < b.id ? -1 : 1;

/** What was written about a call, the oldest first. */
export function useAnnotations(callId: string): UseQueryResult<Annotation[]> {
  return useQuery({
    queryKey: keys.annotations(callId),
    queryFn: async ({ signal }) =>
      (await everything<Annotation>(callId, "annotations", signal)).sort(byTime),
  });
}

/** Lays an annotation over what is known. */
export function patchAnnotation(client: QueryClient, annotation: Annotation): void {
  client.setQueryData<Annotation[]>(keys.annotations(annotation.callId), (known) =>
    known === undefined
      ? undefined
      : [...known.filter(({ id }) => id !== annotation.id), annotation].sort(byTime),
  );
  void client.invalidateQueries({ queryKey: keys.actions(annotation.callId) });
}

export interface NewAnnotation {
  kind: AnnotationKind;
  text: string;
  atMs?: number;
}

/** Writes something about a call. */
export function useAnnotate(callId: string) {
  const client = useQueryClient();
  return useMutation({
    networkMode: "always",
    mutationFn: (body: NewAnnotation) =>
      request<Annotation>("POST", path(callId, "annotations"), { body }),
    onSuccess: (annotation) => patchAnnotation(client, annotation),
  });
}

/** How people judge a call. */
export function useFeedback(callId: string): UseQueryResult<Feedback[]> {
  return useQuery({
    queryKey: keys.feedback(callId),
    queryFn: ({ signal }) => everything<Feedback>(callId, "feedback", signal),
  });
}

/** Judges a call; what the same person said before is replaced. */
export function useJudge(callId: string) {
  const client = useQueryClient();
  return useMutation({
    networkMode: "always",
    mutationFn: (body: { rating: number; comment?: string }) =>
      request<Feedback>("POST", path(callId, "feedback"), { body }),
    onSuccess: (given) =>
      client.setQueryData<Feedback[]>(keys.feedback(callId), (known = []) => [
        ...known.filter(({ by }) => by.userId !== given.by.userId),
        given,
      ]),
  });
}

/** Sets a call's tags: shown at once, and put back if they are refused. */
export function useSetTags(call: Call) {
  const client = useQueryClient();
  const patches = patchesOf(client);
  return useMutation({
    networkMode: "always",
    mutationFn: (tags: readonly string[]) =>
      request<Call>("PUT", path(call.id, "tags"), { body: { tags } }),
    onMutate: (tags) => {
      const before = client.getQueryData<Call>(keys.call(call.id)) ?? call;
      patches.upsert({ ...before, tags: [...tags] });
      patches.flush();
      return before;
    },
    onError: (_, __, before) => {
      if (before === undefined) return;
      patches.upsert(before);
      patches.flush();
    },
    onSuccess: (now) => {
      patches.upsert(now);
      patches.flush();
    },
  });
}

/** What supervisors did to or about a call, the oldest first. */
export function useActions(callId: string): UseQueryResult<SupervisorAction[]> {
  return useQuery({
    queryKey: keys.actions(callId),
    queryFn: async ({ signal }) =>
      (await everything<SupervisorAction>(callId, "actions", signal)).sort((a, b) =>
        a.at < b.at ? -1 : 1,
      ),
  });
}
