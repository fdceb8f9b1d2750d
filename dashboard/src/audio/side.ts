import { useSyncExternalStore } from "react";
import { joinTransfer } from "@/api/transfers";
import { errorText } from "@/api/client";
import type { TransferSeat } from "@/wire/TransferSeat";
import { chosenDevice } from "./context";
import { microphoneTrouble, openMicrophone, type Microphone } from "./microphone";

/** A connection to the room of a transfer. */
export interface SideRoom {
  /** Leaves. Nothing follows. */
  leave(): void;
}

/** What the line needs of the page. */
export interface SideParts {
  seat(callId: string): Promise<TransferSeat>;
  open(): Promise<Microphone>;
  /** Joins with a microphone, and lets the other one be heard. */
  connect(seat: TransferSeat, track: MediaStreamTrack, onClosed: () => void): Promise<SideRoom>;
}

/** This page's part in a transfer. */
export interface SideState {
  readonly callId: string;
  readonly phase: "joining" | "there" | "failed";
  readonly error?: string;
}

/**
 * The one word about a transfer that this page has: a microphone of its own, heard by whoever is
 * in the transfer's room and by nobody in the call.
 */
export class Side {
  readonly #parts: SideParts;
  readonly #listeners = new Set<() => void>();
  #state: SideState | undefined;
  #end: (() => void) | undefined;
  #turn = 0;

  constructor(parts: SideParts) {
    this.#parts = parts;
  }

  state = (): SideState | undefined => this.#state;

  onChange = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Talks about the transfer of a call, and about no other one any more. */
  async join(callId: string): Promise<boolean> {
    if (this.#state?.callId === callId && this.#state.phase !== "failed") return true;
    this.leave();
    const turn = ++this.#turn;
    const ends: (() => void)[] = [];
    const end = () => ends.splice(0).forEach((each) => each());
    this.#show({ callId, phase: "joining" });
    let asking = true;
    try {
      // asked before anything else: a refusal changes nothing
      const microphone = await this.#parts.open();
      asking = false;
      ends.push(() => microphone.close());
      if (turn === this.#turn) {
        const seat = await this.#parts.seat(callId);
        const closed = () => turn === this.#turn && this.leave();
        const room = await this.#parts.connect(seat, microphone.track, closed);
        ends.push(() => room.leave());
      }
      if (turn !== this.#turn) {
        end();
        return false;
      }
      microphone.setAudible(true);
      this.#end = end;
      this.#show({ callId, phase: "there" });
      return true;
    } catch (error) {
      end();
      if (turn !== this.#turn) return false;
      const why = asking ? microphoneTrouble(error) : errorText(error);
      this.#show({ callId, phase: "failed", error: why });
      return false;
    }
  }

  /** Talks no more. */
  leave(): void {
    this.#turn += 1;
    const end = this.#end;
    this.#end = undefined;
    end?.();
    this.#show(undefined);
  }

  #show(state: SideState | undefined): void {
    if (this.#state === state) return;
    this.#state = state;
    for (const listener of this.#listeners) listener();
  }
}

/** The page's. */
export const side = new Side({
  seat: joinTransfer,
  open: () => openMicrophone(chosenDevice() || undefined),
  connect: async (...args) => (await import("./side-room")).connectSide(...args),
});

/** This page's part in the transfer of a call. */
export function useSide(callId: string, of: Side = side): SideState | undefined {
  const state = useSyncExternalStore(of.onChange, of.state);
  return state?.callId === callId ? state : undefined;
}
