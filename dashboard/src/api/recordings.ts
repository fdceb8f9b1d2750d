import {
  useMutation,
  useQuery,
  useQueryClient,
  type QueryClient,
  type UseQueryResult,
} from "@tanstack/react-query";
import type { Backlog } from "@/wire/Backlog";
import type { Call } from "@/wire/Call";
import type { Consent } from "@/wire/Consent";
import type { Me } from "@/wire/Me";
import type { Recording } from "@/wire/Recording";
import { probe, request, type Page } from "./client";
import { keys } from "./query";

/** How often the operator's view of the spools is renewed. */
const BACKLOG_EVERY_MS = 5_000;

const recordingPath = (id: string) => `/api/recordings/${encodeURIComponent(id)}`;

/** Whether a role may erase recordings, hold them, and set how long they are kept. */
export const mayRule = (me: Me): boolean => me.role === "admin";

/** Whether a role sees how the recorder fares. */
export const maySeeRecorder = (me: Me): boolean => me.role === "admin" || me.role === "auditor";

/** What may be asked of a recording's sound; without any of it: both sides, Ogg. */
export interface SoundWanted {
  format?: "ogg" | "wav";
  /** A side, `mix`, or the index of a further channel. */
  channel?: string;
  /** As a file, not to be played in the page. */
  download?: boolean;
}

/** Where a recording is heard or downloaded. */
export function soundUrl(audioUrl: string, wanted: SoundWanted = {}): string {
  const parameters = new URLSearchParams();
  if (wanted.format !== undefined) parameters.set("format", wanted.format);
  if (wanted.channel !== undefined) parameters.set("channel", wanted.channel);
  if (wanted.download === true) parameters.set("download", "1");
  const text = parameters.toString();
  return text === "" ? audioUrl : `${audioUrl}${audioUrl.includes("?") ? "&" : "?"}${text}`;
}

/** Downloads a recording. Throws an `ApiError` instead of leaving a broken file behind. */
export async function download(audioUrl: string, wanted: SoundWanted): Promise<void> {
  const url = soundUrl(audioUrl, { ...wanted, download: true });
  await probe(url);
  const link = document.createElement("a");
  link.href = url;
  link.download = ""; // the server names it
  link.click();
}

/** Has everything that shows a call's recordings look again. */
function lookAgain(client: QueryClient, callId: string): Promise<unknown> {
  return Promise.all([
    client.invalidateQueries({ queryKey: keys.recordings(callId) }),
    client.invalidateQueries({ queryKey: keys.call(callId) }),
    client.invalidateQueries({ queryKey: keys.histories, refetchType: "none" }),
  ]);
}

/** Erases a recording for good. */
export function useErase(recording: Recording) {
  const client = useQueryClient();
  return useMutation({
    networkMode: "always",
    mutationFn: () => request("DELETE", recordingPath(recording.id)),
    onSettled: () => lookAgain(client, recording.callId),
  });
}

/** Sets or lifts the legal hold of one recording. */
export function useHold(recording: Recording) {
  const client = useQueryClient();
  return useMutation({
    networkMode: "always",
    mutationFn: (body: { held: boolean; reason: string }) =>
      request("PUT", `${recordingPath(recording.id)}/hold`, { body }),
    onSettled: () => lookAgain(client, recording.callId),
  });
}

/** Notes whether the customer agrees to be recorded. Denied erases. */
export function useConsent(call: Call) {
  const client = useQueryClient();
  return useMutation({
    networkMode: "always",
    mutationFn: (consent: Consent) =>
      request("PUT", `/api/calls/${encodeURIComponent(call.id)}/consent`, { body: { consent } }),
    onSettled: () => lookAgain(client, call.id),
  });
}

/** How long a tenant keeps its recordings, and what pauses them. */
export interface Retention {
  /** Days; `null` for ever. */
  days: number | null;
  /** Nothing of the tenant is erased. */
  legalHold: boolean;
  /** A DTMF digit pauses. */
  pauseOnDtmf: boolean;
  /** Seconds after which a pause ends by itself; `null`: it does not. */
  resumeAfterSeconds: number | null;
  /** Whether the pause webhook has a secret, which is never shown. */
  hasPauseWebhookSecret: boolean;
  /** Numbers of cards are left out of transcripts before they are kept. */
  redactCards: boolean;
  /** The same with numbers of telephones. */
  redactPhones: boolean;
}

/** A policy to be set. A secret that is left out stays as it is; `null` turns the webhook off. */
export interface RetentionChange extends Omit<Retention, "hasPauseWebhookSecret"> {
  pauseWebhookSecret?: string | null;
}

const RETENTION = "/api/retention";

/** The tenant's policy. */
export function useRetention(): UseQueryResult<Retention> {
  return useQuery({
    queryKey: keys.retention,
    queryFn: ({ signal }) => request<Retention>("GET", RETENTION, { signal }),
  });
}

/** Sets the tenant's policy. */
export function useSetRetention() {
  const client = useQueryClient();
  return useMutation({
    networkMode: "always",
    mutationFn: (body: RetentionChange) => request<Retention>("PUT", RETENTION, { body }),
    onSuccess: (retention) => client.setQueryData(keys.retention, retention),
  });
}

/** What lies in the spools, renewed while it is looked at. */
export function useBacklog(): UseQueryResult<Backlog[]> {
  return useQuery({
    queryKey: keys.backlog,
    refetchInterval: BACKLOG_EVERY_MS,
    queryFn: async ({ signal }) =>
      (await request<Page<Backlog>>("GET", "/api/recordings/backlog", { signal })).items,
  });
}
