import { createContext, use, useSyncExternalStore } from "react";
import type { QueryClient } from "@tanstack/react-query";
import { listen, unlisten } from "@/api/calls";
import { handBack, takeOver, talk } from "@/api/supervision";
import { recall, remember } from "@/lib/storage";
import { patchesOf } from "@/realtime/patches";
import { Listener, type Listening } from "./listener";
import { openMicrophone } from "./microphone";
import { speakers } from "./output";
import { openFeed } from "./proxy";
import { Talker, type Speaking } from "./talker";

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
    openFeed,
    connect: async (grant, events) => (await loadClient()).connectRoom(grant, events),
  });
}

const DEVICE = "sidetone.microphone";
const isText = (value: unknown): value is string => typeof value === "string";

/** The microphone that was chosen in this browser; empty for the default one. */
export const chosenDevice = (): string => recall(DEVICE, "", isText);

/** Keeps the choice for the next time. */
export const keepDevice = (deviceId: string): void => remember(DEVICE, deviceId);

/** What speaks for the page, in the room in which the listener hears. */
export function createTalker(ears: Listener, client: QueryClient): Talker {
  const talker = new Talker({
    ears,
    open: openMicrophone,
    talk,
    takeOver,
    handBack,
    show: (callId, control) => patchesOf(client).control(callId, control),
  });
  void talker.choose(chosenDevice() || undefined);
  return talker;
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

export const TalkerContext = createContext<Talker | null>(null);

/** Commands of the page's talker. */
export function useTalker(): Talker {
  const talker = use(TalkerContext);
  if (talker === null) throw new Error("used outside of the shell, where nobody can speak");
  return talker;
}

/** How this page speaks in a call; `undefined` when it does not. */
export function useSpeaking(callId: string): Speaking | undefined {
  const talker = useTalker();
  return useSyncExternalStore(talker.subscribe, () =>
    talker.calls().find((call) => call.callId === callId),
  );
}

/** Whether the microphone is in the room. */
export function useMicrophoneLink(): boolean {
  const listener = useListener();
  return useSyncExternalStore(listener.subscribe, listener.speaks);
}
