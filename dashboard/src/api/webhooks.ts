import type { WebhookDelivery } from "@/wire/WebhookDelivery";
import type { WebhookEventType } from "@/wire/WebhookEventType";
import type { WebhookSubscription } from "@/wire/WebhookSubscription";
import { request } from "./client";
import { path, useAct, useEndless, useWhole } from "./lists";
import { keys } from "./query";

/** How often the log of deliveries is renewed while it is looked at. */
const DELIVERIES_EVERY_MS = 5_000;

const SUBSCRIPTIONS = "/api/webhook-subscriptions";

/** Who wants to be told of what. */
export const useSubscriptions = () =>
  useWhole<WebhookSubscription>(keys.subscriptions, SUBSCRIPTIONS);

/** What is said of a subscription. */
export interface SubscriptionGiven {
  url: string;
  description: string | null;
  events: WebhookEventType[];
  enabled: boolean;
}

/** A subscription with the secret that was made for it: it is shown this once. */
export type Secretive = WebhookSubscription & { secret?: string };

/** Adds a subscription, or changes the one with the id. */
export const useSaveSubscription = (id: string | undefined) =>
  useAct(
    (body: SubscriptionGiven) =>
      id === undefined
        ? request<Secretive>("POST", SUBSCRIPTIONS, { body })
        : request<Secretive>("PATCH", path`/api/webhook-subscriptions/${id}`, { body }),
    keys.subscriptions,
  );

export const useRemoveSubscription = () =>
  useAct(
    (id: string) => request("DELETE", path`/api/webhook-subscriptions/${id}`),
    keys.subscriptions,
  );

/** Makes a new secret; the former one goes on to sign for a while. */
export const useRotateSecret = () =>
  useAct(
    (id: string) =>
      request<Secretive>("POST", path`/api/webhook-subscriptions/${id}/rotate-secret`),
    keys.subscriptions,
  );

/** What was sent to a subscription, newest first. */
export const useDeliveries = (id: string) =>
  useEndless<WebhookDelivery>(
    keys.deliveries(id),
    path`/api/webhook-subscriptions/${id}/deliveries`,
    {},
    { refetchInterval: DELIVERIES_EVERY_MS },
  );

/** Sends a test, also while it is switched off, and gives what came of it. */
export const useTestPing = (id: string) =>
  useAct(
    () => request<WebhookDelivery>("POST", path`/api/webhook-subscriptions/${id}/test`),
    keys.deliveries(id),
    keys.subscriptions,
  );

/** Sends a delivery again. */
export const useReplay = (id: string) =>
  useAct(
    (deliveryId: string) =>
      request<WebhookDelivery>(
        "POST",
        path`/api/webhook-subscriptions/${id}/deliveries/${deliveryId}/replay`,
      ),
    keys.deliveries(id),
  );
