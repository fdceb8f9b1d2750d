import { useSyncExternalStore } from "react";
import type { ControlChange } from "@/wire/ControlChange";
import type { Transfer } from "@/wire/Transfer";
import type { TransferUpdate } from "@/wire/TransferUpdate";

/** Calls that somebody is asked to have, or has: those told of first are let go. */
const MAX_OFFERS = 100;

/** A call that somebody is asked to have. */
export interface Offer {
  readonly callId: string;
  readonly transfer: Transfer;
}

/** Transfers to users of the tenant, as long as they are about something. */
export class Offers {
  #offers: readonly Offer[] = [];
  readonly #listeners = new Set<() => void>();

  take({ callId, transfer }: TransferUpdate): void {
    const others = this.#offers.filter((offer) => offer.callId !== callId);
    const alive =
      transfer.userId !== undefined && ["ringing", "talking", "completed"].includes(transfer.stage);
    const next = alive ? [...others, { callId, transfer }].slice(-MAX_OFFERS) : others;
    if (alive || others.length < this.#offers.length) this.#set(next);
  }

  /** Somebody has a call: whom it was given to may have it no more. */
  control({ callId, control }: ControlChange): void {
    const over = ({ callId: id, transfer }: Offer) =>
      id === callId && transfer.stage === "completed" && control.holder !== `target:${transfer.id}`;
    if (this.#offers.some(over)) this.#set(this.#offers.filter((offer) => !over(offer)));
  }

  /** The call is over. */
  ended(callId: string): void {
    const is = (offer: Offer) => offer.callId === callId;
    if (this.#offers.some(is)) this.#set(this.#offers.filter((offer) => !is(offer)));
  }

  all = (): readonly Offer[] => this.#offers;

  onChange = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  #set(offers: readonly Offer[]): void {
    this.#offers = offers;
    for (const listener of this.#listeners) listener();
  }
}

/** The page's offers. */
export const offers = new Offers();

/** The call that a user is asked to have, or has been given: the first of them. */
export function useOffer(userId: string): Offer | undefined {
  const all = useSyncExternalStore(offers.onChange, offers.all);
  return all.find(({ transfer }) => transfer.userId === userId);
}
