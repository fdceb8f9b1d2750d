import { useMutation, useQueryClient } from "@tanstack/react-query";
import { patchesOf } from "@/realtime/patches";
import type { Call } from "@/wire/Call";
import type { ControlAnswer } from "@/wire/ControlAnswer";
import type { TransferMode } from "@/wire/TransferMode";
import type { TransferSeat } from "@/wire/TransferSeat";
import { request } from "./client";

/** An answer that takes longer is a failure: the customer is waiting. */
const ANSWER_WITHIN_MS = 15_000;

const path = (callId: string, what = "") =>
  `/api/calls/${encodeURIComponent(callId)}/transfer${what}`;

const within = () => ({ signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });

/** Where to talk with the other one about a transfer; a colleague who is asked answers by it. */
export const joinTransfer = (callId: string): Promise<TransferSeat> =>
  request("POST", path(callId, "/join"), within());

/** Where a call is to go, and how. */
export interface TransferWish {
  to: string;
  mode: TransferMode;
}

function useShow() {
  const patches = patchesOf(useQueryClient());
  return (call: Call) => {
    patches.upsert(call);
    patches.flush();
  };
}

/** Sends a call elsewhere, or asks somebody to have it. */
export function useTransfer(callId: string) {
  return useMutation({
    networkMode: "always",
    mutationFn: (body: TransferWish) => request<Call>("POST", path(callId), { ...within(), body }),
    onSuccess: useShow(),
  });
}

/** Gives the call to whoever answered. */
export function useCompleteTransfer(callId: string) {
  const patches = patchesOf(useQueryClient());
  return useMutation({
    networkMode: "always",
    mutationFn: () => request<ControlAnswer>("POST", path(callId, "/complete"), within()),
    onSuccess: ({ control }) => patches.control(callId, control),
  });
}

/** Goes back to the customer; by a colleague who was asked: does not want the call. */
export function useTakeBackTransfer(callId: string) {
  return useMutation({
    networkMode: "always",
    mutationFn: () => request<Call>("DELETE", path(callId), within()),
    onSuccess: useShow(),
  });
}
