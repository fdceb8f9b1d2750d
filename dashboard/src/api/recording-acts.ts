import {
  useMutationState,
  type MutationOptions,
  type MutationState,
  type QueryClient,
} from "@tanstack/react-query";
import { patchesOf } from "@/realtime/patches";
import type { Call } from "@/wire/Call";
import { request } from "./client";
import { keys } from "./query";

/** An answer that takes longer is a failure: nobody may wait before a caller reads a number. */
const ANSWER_WITHIN_MS = 15_000;
/** An unconfirmed pause is remembered for as long as a call may last. */
const REMEMBER_MS = 3 * 3600_000;

/** What can be done to a running recording. */
export type RecordingAct =
  { act: "pause"; reason?: string; resumeAfterSeconds?: number } | { act: "resume" };

/** The latest act of this page on a call's recording, and how it went. */
export interface Acting {
  act: RecordingAct["act"];
  status: "pending" | "done" | "failed";
  /** Why it failed. */
  error?: unknown;
}

const actKey = (callId: string) => ["recording act", callId] as const;

type Act = MutationState<Call, unknown, RecordingAct>;

function acting({ status, variables, error }: Act): Acting | undefined {
  if (variables === undefined) return undefined;
  const { act } = variables;
  if (status === "error") return { act, status: "failed", error };
  return { act, status: status === "success" ? "done" : "pending" };
}

/** Shows a call as the server says it is now. */
function show(client: QueryClient, call: Call): void {
  const patches = patchesOf(client);
  patches.upsert(call);
  patches.flush();
}

/** Shows what a failure has left. That it cannot be had is no further failure. */
async function lookAgain(client: QueryClient, callId: string): Promise<void> {
  try {
    const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
    show(
      client,
      await request<Call>("GET", `/api/calls/${encodeURIComponent(callId)}`, { signal }),
    );
  } catch {
    void client.invalidateQueries({ queryKey: keys.call(callId) });
  }
}

type Options = MutationOptions<Call, unknown, RecordingAct>;

const options = (client: QueryClient, callId: string): Options => ({
  mutationKey: actKey(callId),
  networkMode: "always",
  gcTime: REMEMBER_MS,
  mutationFn: ({ act, ...body }) =>
    request("POST", `/api/calls/${encodeURIComponent(callId)}/recording/${act}`, {
      body,
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    }),
  // under way until the new state is shown: nothing flickers back in between
  onSuccess: (call) => show(client, call),
  onError: () => lookAgain(client, callId),
});

/** Pauses or resumes. How it goes is told by `useActing`, on every screen of the page. */
export function actOnRecording(client: QueryClient, callId: string, act: RecordingAct): void {
  if (actingNow(client, callId)?.status === "pending") return;
  const mutation = client.getMutationCache().build(client, options(client, callId));
  mutation.execute(act).catch(() => undefined); // shown where it was pressed
}

/** The latest act on a call's recording. */
export function actingNow(client: QueryClient, callId: string): Acting | undefined {
  const found = client.getMutationCache().findAll({ mutationKey: actKey(callId) });
  const latest = found.at(-1);
  return latest === undefined ? undefined : acting(latest.state as Act);
}

/** The latest act on a call's recording, kept up to date. */
export function useActing(callId: string): Acting | undefined {
  const acts = useMutationState({
    filters: { mutationKey: actKey(callId) },
    select: (mutation) => acting(mutation.state as Act),
  });
  return acts.at(-1);
}
