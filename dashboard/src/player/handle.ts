import { createContext, use } from "react";

/** What others may do with a recording's player: a transcript's segment, a gap, a bookmark. */
export interface PlayerHandle {
  /** Goes to a position, in milliseconds of the recording. */
  seekTo(ms: number): void;
  /** Position, in milliseconds of the recording. */
  readonly positionMs: number;
  /** Calls `listener` after every change and every seek; returns what ends that. */
  subscribe(listener: () => void): () => void;
}

export const PlayerContext = createContext<PlayerHandle | null>(null);

/** The player around; whatever is shown below a recording's waveform is inside of one. */
export function usePlayer(): PlayerHandle {
  const player = use(PlayerContext);
  if (player === null) throw new Error("used outside of a recording's player");
  return player;
}
