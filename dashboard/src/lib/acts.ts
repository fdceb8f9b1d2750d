import type { LucideIcon } from "lucide-react";
import { useEffect, useRef, useSyncExternalStore } from "react";

/** Something that can be done, found in the command palette. */
export interface Act {
  /** Unique on the page that offers it. */
  id: string;
  name: string;
  icon: LucideIcon;
  /** The key that does the same, if there is one. */
  key?: string;
  run: () => void;
}

const offered = new Map<symbol, readonly Act[]>();
let all: readonly Act[] = [];
const listeners = new Set<() => void>();

function tell(): void {
  all = [...offered.values()].flat();
  for (const listener of listeners) listener();
}

/** Offers acts in the command palette while the component is there. */
export function useActs(acts: readonly Act[]): void {
  const latest = useRef(acts);
  useEffect(() => {
    latest.current = acts;
  });
  // the palette needs to know when the choice changes, not when a closure does
  const choice = JSON.stringify(acts.map(({ id, name, key }) => [id, name, key]));
  useEffect(() => {
    const owner = Symbol(choice);
    const now = (id: string) => latest.current.find((act) => act.id === id);
    offered.set(
      owner,
      latest.current.map((act) => ({ ...act, run: () => now(act.id)?.run() })),
    );
    tell();
    return () => {
      offered.delete(owner);
      tell();
    };
  }, [choice]);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Everything that is offered on the page now. */
export function useOfferedActs(): readonly Act[] {
  return useSyncExternalStore(subscribe, () => all);
}
