import type { DeliveryState } from "@/wire/DeliveryState";
import type { WebhookDelivery } from "@/wire/WebhookDelivery";
import type { WebhookEventType } from "@/wire/WebhookEventType";
import type { WebhookSubscription } from "@/wire/WebhookSubscription";
import { momentWithZone, sentence } from "./format";

/** What can be asked for, with what it means. */
export const EVENTS: readonly (readonly [WebhookEventType, string])[] = [
  ["call.started", "A call began"],
  ["call.updated", "Something about a call changed"],
  ["call.ended", "A call ended"],
  ["recording.stored", "A recording can be heard"],
  ["transcript.final", "A call’s transcript is complete"],
  ["alert.fired", "An alert fired"],
  ["alert.cleared", "An alert is over"],
  ["annotation.created", "Somebody wrote something about a call"],
  ["feedback.created", "Somebody rated a call"],
];

/** How a subscription fares: a word, and what it means. */
export function standing(subscription: WebhookSubscription): {
  tone: "accent" | "plain" | "bad";
  word: string;
  text?: string;
} {
  const { enabled, disabledReason, failingSince } = subscription;
  if (disabledReason !== undefined && !enabled) {
    return { tone: "bad", word: "Switched off", text: disabledReason };
  }
  if (!enabled) return { tone: "plain", word: "Off" };
  if (failingSince === undefined) return { tone: "accent", word: "On" };
  const since = momentWithZone(failingSince);
  return { tone: "bad", word: "Failing", text: `Nothing was delivered since ${since}.` };
}

const STATE: Record<DeliveryState, { tone: "plain" | "accent" | "bad"; word: string }> = {
  pending: { tone: "plain", word: "Waiting" },
  delivered: { tone: "accent", word: "Delivered" },
  failed: { tone: "bad", word: "Given up" },
};

/** Where a delivery stands. A first try that did not succeed yet is told from one to come. */
export function deliveryStanding({ state, attempts }: WebhookDelivery) {
  return state === "pending" && attempts > 0
    ? { tone: "bad" as const, word: "Trying again" }
    : STATE[state];
}

/** How the last attempt went, in a line. */
export function attemptText({ attempts, status, error, durationMs }: WebhookDelivery): string {
  if (attempts === 0) return "Not tried yet";
  const answer =
    error === undefined
      ? status === undefined
        ? ""
        : `Answered ${status}`
      : sentence(error).replace(/\.$/, "");
  const took = durationMs === undefined || error !== undefined ? "" : ` in ${durationMs} ms`;
  const tries = attempts === 1 ? "" : ` · ${attempts} tries`;
  return `${answer}${took}${tries}`;
}
