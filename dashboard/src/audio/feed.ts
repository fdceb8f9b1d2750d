/** Why a feed ended: its call is `over`, the right to listen was `removed`, or it was `lost`. */
export type FeedEnd = "over" | "removed" | "lost";

/** What one call's feed reports. */
export interface FeedEvents {
  /** A party can be heard, under the name that it has in a monitor room. */
  onTrack: (name: string, track: MediaStreamTrack) => void;
  /** Nothing more comes. */
  onEnd: (why: FeedEnd) => void;
}

/** One call on a WebSocket, for pages without LiveKit. */
export interface Feed {
  /** Ends it. No event follows. */
  close(): void;
}

/** Opens the feed that `listenProxyUrl` leads to. */
export type OpenFeed = (url: string, callId: string, events: FeedEvents) => Feed;

/** Sound is played so long after it comes, at least: what a network does to it all the time. */
export const AHEAD_SECONDS = 0.1;
/** And at most: what comes when more waits than this is left out. */
export const MOST_SECONDS = 0.4;

/** When pieces that follow each other are to be played, by the clock of the speakers. */
export class Playout {
  #next = 0;

  /** When a piece that came `now` is played; `undefined`: it is left out. */
  place(now: number, seconds: number): number | undefined {
    if (this.#next < now) this.#next = now + AHEAD_SECONDS; // it ran dry, or has just begun
    if (this.#next > now + MOST_SECONDS) return undefined;
    const at = this.#next;
    this.#next += seconds;
    return at;
  }
}

/** Left and right of interleaved samples, signed 16 bit, little endian. */
export function sidesOf(
  bytes: ArrayBuffer,
): [Float32Array<ArrayBuffer>, Float32Array<ArrayBuffer>] {
  const view = new DataView(bytes);
  const count = Math.floor(bytes.byteLength / 4);
  const sides = [new Float32Array(count), new Float32Array(count)] as const;
  for (let n = 0; n < count; n += 1) {
    sides[0][n] = view.getInt16(n * 4, true) / 32_768;
    sides[1][n] = view.getInt16(n * 4 + 2, true) / 32_768;
  }
  return [...sides];
}

/** What a close code of the server means. */
export function endOf(code: number): FeedEnd {
  if (code === 1000 || code === 4404) return "over";
  return code === 4403 ? "removed" : "lost";
}
