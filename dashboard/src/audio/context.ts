import { createContext, use, useSyncExternalStore } from "react";
import { listen, unlisten } from "@/api/calls";
import { Listener, type Listening } from "./listener";
import { speakers } from "./output";

const loadClient = () => import("./livekit");

/** Loads LiveKit's client while nothing else is to be done, so that the first listen is quick. */
export function preloadClient(): () => void {
  if (!("requestIdleCallback" in window)) return () => undefined;
  const idle = requestIdleCallback(() => void loadClient().catch(() => undefined));
  return () => cancelIdleCallback(idle);
}

/** The listener of the page. LiveKit's client is no part of the first load. */
export function createListener(): Listener {
  return new Listener({
    listen,
    unlisten,
    output: speakers,
    connect: async (grant, events) => (await loadClient()).connectRoom(grant, events),
  });
}

export const ListenerContext = createContext<Listener | null>(null);

/** Commands of the page's listener. */
export function useListener(): Listener {
  const listener = use(ListenerContext);
  if (listener === null) throw new Error("used outside of the shell, where nothing can be heard");
  return listener;
}

/** Everything that is listened to. */
export function useListenings(): readonly Listening[] {
  const listener = useListener();
  return useSyncExternalStore(listener.subscribe, listener.calls);
}

/** How one call is listened to; `undefined` when it is not. */
export function useListening(callId: string): Listening | undefined {
  const listener = useListener();
  return useSyncExternalStore(listener.subscribe, () =>
    listener.calls().find((call) => call.callId === callId),
  );
}
