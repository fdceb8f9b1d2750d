import { createContext, use, useCallback, useEffect, useSyncExternalStore } from "react";
import type { Playback } from "./playback";

/** How often a playing position is told: a transcript follows words, not samples. */
const TELL_EVERY_MS = 200;

type Player = Pick<Playback, "positionMs" | "seekTo" | "play" | "state" | "subscribe">;

/** A recording on the time of its call. */
interface Track {
  /** Start of the recording, in milliseconds since the call's. */
  startMs: number;
  endMs: number;
  player: Player;
}

/** The recordings of a call as one: what is heard at a time of the call, and the way there. */
export class CallTime {
  readonly #tracks = new Map<string, Track>();
  readonly #listeners = new Set<() => void>();
  #last: string | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;

  /** A recording can be played; returns what takes it away. */
  add(id: string, track: Track): () => void {
    this.#tracks.set(id, track);
    const stopHearing = track.player.subscribe(() => {
      this.#last = id;
      this.#run();
      this.#tell();
    });
    this.#tell();
    return () => {
      stopHearing();
      this.#tracks.delete(id);
      if (this.#last === id) this.#last = undefined;
      this.#run();
      this.#tell();
    };
  }

  /** Position on the call's time, in milliseconds; `undefined` before anything was played. */
  get positionMs(): number | undefined {
    const track = this.#last === undefined ? undefined : this.#tracks.get(this.#last);
    return track === undefined ? undefined : track.startMs + track.player.positionMs;
  }

  get playing(): boolean {
    return [...this.#tracks.values()].some(({ player }) => player.state().playing);
  }

  /** Whether there is sound of that moment. */
  has(callMs: number): boolean {
    return this.#at(callMs) !== undefined;
  }

  /** Goes to a moment of the call, where there is sound of it. */
  seekTo(callMs: number): void {
    const track = this.#at(callMs);
    track?.player.seekTo(callMs - track.startMs);
  }

  /** Plays from a moment of the call on. Call it in a gesture. */
  playFrom(callMs: number): void {
    const track = this.#at(callMs);
    if (track === undefined) return;
    track.player.seekTo(callMs - track.startMs);
    void track.player.play();
  }

  /** Calls `listener` when the position has moved, and when recordings come or go. */
  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    this.#run();
    return () => {
      this.#listeners.delete(listener);
      this.#run();
    };
  };

  #at(callMs: number): Track | undefined {
    return [...this.#tracks.values()].find(
      ({ startMs, endMs }) => callMs >= startMs && callMs <= endMs,
    );
  }

  #run(): void {
    const wanted = this.#listeners.size > 0 && this.playing;
    if (wanted) this.#timer ??= setInterval(() => this.#tell(), TELL_EVERY_MS);
    else {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

/** The time of the call that is shown; there is none where no recording is. */
export const CallTimeContext = createContext<CallTime | null>(null);

/** Puts a recording's player on the time of its call. */
export function useOnCallTime(
  id: string,
  startMs: number,
  durationMs: number,
  player: Player | undefined,
): void {
  const time = use(CallTimeContext);
  useEffect(() => {
    if (time === null || player === undefined) return;
    return time.add(id, { startMs, endMs: startMs + durationMs, player });
  }, [time, id, startMs, durationMs, player]);
}

/** What `read` finds on the call's time, renewed as it plays. It must give a plain value. */
export function useCallTime<T extends string | number | boolean | undefined>(
  read: (time: CallTime) => T,
): T | undefined {
  const time = use(CallTimeContext);
  return useSyncExternalStore(
    useCallback((listener) => time?.subscribe(listener) ?? (() => undefined), [time]),
    () => (time === null ? undefined : read(time)),
  );
}
