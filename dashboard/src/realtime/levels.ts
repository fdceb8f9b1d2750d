import { useCallback, useSyncExternalStore } from "react";
import type { LevelsMessage } from "@/wire/LevelsMessage";
import type { Party } from "@/wire/Party";

/** A level older than this says nothing about now: the meter falls to rest, nobody speaks. */
const STALE_MS = 1_500;

interface Known {
  message: LevelsMessage;
  at: number;
}

/**
 * The levels of the calls in sight. They pass through here to the meters' animation loop and are
 * not kept: who speaks is the only thing that renders anything.
 */
export class Levels {
  readonly #known = new Map<string, Known>();
  readonly #silence = new Map<string, ReturnType<typeof setTimeout>>();
  readonly #listeners = new Map<string, Set<() => void>>();

  /** Takes a level message that arrived at `now` (`performance.now()`). */
  take(message: LevelsMessage, now: number): void {
    const before = this.#known.get(message.callId)?.message.currentSpeaker;
    this.#known.set(message.callId, { message, at: now });
    clearTimeout(this.#silence.get(message.callId));
    this.#silence.set(
      message.callId,
      setTimeout(() => this.forget(message.callId), STALE_MS),
    );
    if (before !== message.currentSpeaker) this.#tell(message.callId);
  }

  /** Loudness of a party, 0 to 1, linear; 0 when nothing was heard of it for a while. */
  read(callId: string, party: Party, now: number): number {
    const known = this.#known.get(callId);
    if (known === undefined || now - known.at > STALE_MS) return 0;
    if (party === "customer") return known.message.customer;
    return party === "agent" ? known.message.agent : 0;
  }

  /** Who speaks, as far as the last message told. */
  speaker(callId: string): Party | undefined {
    return this.#known.get(callId)?.message.currentSpeaker;
  }

  /** Forgets a call that has not been heard of for a while: it is silent, ended or out of sight. */
  forget(callId: string): void {
    clearTimeout(this.#silence.get(callId));
    this.#silence.delete(callId);
    if (this.#known.delete(callId)) this.#tell(callId);
  }

  /** Calls `listener` whenever another party of the call begins to speak. */
  onSpeaker(callId: string, listener: () => void): () => void {
    const set = this.#listeners.get(callId) ?? new Set();
    set.add(listener);
    this.#listeners.set(callId, set);
    return () => {
      set.delete(listener);
      if (set.size === 0) this.#listeners.delete(callId);
    };
  }

  #tell(callId: string): void {
    for (const listener of this.#listeners.get(callId) ?? []) listener();
  }
}

/** The page's levels. */
export const levels = new Levels();

/** Who speaks in a call now. */
export function useSpeaker(callId: string): Party | undefined {
  return useSyncExternalStore(
    useCallback((listener) => levels.onSpeaker(callId, listener), [callId]),
    () => levels.speaker(callId),
  );
}
