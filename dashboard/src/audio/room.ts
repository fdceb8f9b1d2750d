import type { LivekitListen } from "@/wire/LivekitListen";

/**
 * Why a connection ended: `lost` to the network or a restart, `removed` by the server, or taken
 * over by the same person `elsewhere`. Only what was lost may be made again.
 */
export type Closed = "lost" | "removed" | "elsewhere";

/** What a monitor room reports. */
export interface MonitorRoomEvents {
  /** A wanted track can be heard. A second one of the same name takes the first one's place. */
  onTrack: (name: string, track: MediaStreamTrack) => void;
  /** A track is gone: withdrawn, or its call is over. */
  onTrackGone: (name: string, track: MediaStreamTrack) => void;
  /** The connection is being mended (`false`) or is good again (`true`). */
  onLink: (good: boolean) => void;
  /** Our microphone is in the room now (`true`), or no longer. */
  onMicrophone: (published: boolean) => void;
  /** The connection is gone for good. */
  onClosed: (why: Closed) => void;
}

/** Our connection to the monitor room. */
export interface MonitorRoom {
  /** Subscribes exactly these tracks, now and as they appear. */
  want(names: ReadonlySet<string>): void;
  /**
   * Publishes this microphone as soon as the server permits it, in place of the one before;
   * `undefined`: none. The track stays its owner's.
   */
  speak(track: MediaStreamTrack | undefined): void;
  /** Leaves. No event follows. */
  leave(): void;
}

/** Joins the monitor room that a grant names. */
export type ConnectRoom = (grant: LivekitListen, events: MonitorRoomEvents) => Promise<MonitorRoom>;
