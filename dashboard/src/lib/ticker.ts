import { useSyncExternalStore } from "react";

/** How often running timers move. */
const TICK_MS = 1000;

let skewMs = 0;
let skewKnown = false;
let now = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;
const listeners = new Set<() => void>();

/** The server's clock now, in milliseconds since the epoch, as far as its messages have told. */
export function serverNow(): number {
  return Date.now() + skewMs;
}

/**
 * Learns how far the browser's clock is off from a message's `timestamp`. A message cannot arrive
 * before it was sent, so the largest difference seen is the one with the least delay in it.
 */
export function learnServerTime(rfc3339: string): void {
  const difference = Date.parse(rfc3339) - Date.now();
  if (Number.isNaN(difference)) return;
  skewMs = skewKnown ? Math.max(skewMs, difference) : difference;
  skewKnown = true;
}

/** Forgets the clock's difference: the browser's clock may have been set, or the server changed. */
export function forgetServerTime(): void {
  skewKnown = false;
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  if (timer === undefined) {
    now = serverNow();
    timer = setInterval(() => {
      now = serverNow();
      for (const each of listeners) each();
    }, TICK_MS);
  }
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}

/** The server's time, renewed once a second by one timer for the whole page. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, () => now);
}
