import { useChangePreferences, usePreferences } from "@/api/preferences";
import type { Call } from "@/wire/Call";
import type { Layout } from "@/wire/Layout";

/** Tiles that can be pinned, as the server has it. */
const MAX_PINNED = 64;

/** How the person looks at live calls, and which stay on top: kept on whatever computer. */
export function useLayout() {
  const preferences = usePreferences().data;
  const change = useChangePreferences();
  const pinned = preferences?.pinnedTiles ?? [];
  return {
    layout: preferences?.layout ?? "list",
    pinned,
    setLayout: (layout: Layout) => change.mutate((known) => ({ ...known, layout })),
    togglePin: (callId: string) =>
      change.mutate((known) => ({
        ...known,
        pinnedTiles: withPinToggled(known.pinnedTiles, callId),
      })),
    error: change.error,
  };
}

/** The pins with one put on or taken off; the oldest make room. */
export function withPinToggled(pinned: readonly string[], callId: string): string[] {
  return pinned.includes(callId)
    ? pinned.filter((each) => each !== callId)
    : [...pinned, callId].slice(-MAX_PINNED);
}

/** Pinned calls first, in the order in which they were pinned. */
export function pinnedFirst(calls: readonly Call[], pinned: readonly string[]): Call[] {
  const place = (call: Call) => {
    const at = pinned.indexOf(call.id);
    return at < 0 ? pinned.length : at;
  };
  return [...calls].sort((a, b) => place(a) - place(b));
}
