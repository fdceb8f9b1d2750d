import type { Annotation } from "@/wire/Annotation";
import type { Call } from "@/wire/Call";
import type { Control } from "@/wire/Control";
import type { ControlAnswer } from "@/wire/ControlAnswer";
import type { Fallback } from "@/wire/Fallback";
import type { Party } from "@/wire/Party";
import type { Talking } from "@/wire/Talking";
import type { TalkMode } from "@/wire/TalkMode";
import { useMutation, useQuery, useQueryClient, type UseQueryResult } from "@tanstack/react-query";
import { patchesOf } from "@/realtime/patches";
import { request } from "./client";
import { patchAnnotation } from "./notes";
import { keys } from "./query";

/** An answer that takes longer is a failure: the other side is in a conversation. */
const ANSWER_WITHIN_MS = 15_000;

function act<T>(callId: string, what: string, body?: unknown): Promise<T> {
  return request("POST", `/api/calls/${encodeURIComponent(callId)}/${what}`, {
    signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    ...(body === undefined ? {} : { body }),
  });
}

/** Says to whom is spoken. */
export function talk(callId: string, mode: TalkMode): Promise<Talking> {
  return act(callId, "talk", { mode });
}

/** Takes a call over; `irreversible`: whoever does knows that there is no way back. */
export async function takeOver(callId: string, irreversible = false): Promise<Control> {
  const body = irreversible ? { irreversible } : undefined;
  return (await act<ControlAnswer>(callId, "takeover", body)).control;
}

/** Gives a call back to the agent. */
export async function handBack(callId: string): Promise<Control> {
  return (await act<ControlAnswer>(callId, "handback")).control;
}

/** Shows what an act has left of its call. */
function useShow() {
  const patches = patchesOf(useQueryClient());
  return (call: Call) => {
    patches.upsert(call);
    patches.flush();
  };
}

/** Takes a call over by telephone: its upstream sends the customer there. */
export function useTakeOverByPhone(callId: string) {
  const patches = patchesOf(useQueryClient());
  return useMutation({
    networkMode: "always",
    mutationFn: () => takeOver(callId),
    onSuccess: (control) => patches.control(callId, control),
  });
}

/** Writes to the agent alone. */
export function useWhisper(callId: string) {
  const client = useQueryClient();
  return useMutation({
    networkMode: "always",
    mutationFn: (text: string) => act<Annotation>(callId, "whisper", { text }),
    onSuccess: (written) => patchAnnotation(client, written),
  });
}

/** Mutes a party towards the others in the call, or lets it be heard again. */
export function useMuteParty(callId: string) {
  return useMutation({
    networkMode: "always",
    mutationFn: (body: { party: Party; muted: boolean }) => act<Call>(callId, "mute", body),
    onSuccess: useShow(),
  });
}

/** Ends a call for everybody in it. */
export function useEndCall(callId: string) {
  return useMutation({
    networkMode: "always",
    mutationFn: () => act<Call>(callId, "end"),
    onSuccess: useShow(),
  });
}

const FALLBACK = "/api/supervision/fallback";

/** What becomes of the tenant's calls whose supervisor is lost. */
export function useFallback(): UseQueryResult<Fallback> {
  return useQuery({
    queryKey: keys.fallback,
    queryFn: ({ signal }) => request<Fallback>("GET", FALLBACK, { signal }),
  });
}

/** Says what becomes of them. */
export function useSetFallback() {
  const client = useQueryClient();
  return useMutation({
    networkMode: "always",
    mutationFn: (body: Fallback) => request<Fallback>("PUT", FALLBACK, { body }),
    onSuccess: (now) => client.setQueryData(keys.fallback, now),
  });
}
