import { soundUrl } from "@/api/recordings";
import type { Channel } from "@/wire/Channel";
import type { Recording } from "@/wire/Recording";

/** Channels of the main file; further ones are files of their own, as long as the main one. */
const MAIN_CHANNELS = 2;

/** A file that is played, and which of the recording's channels it holds, by their places. */
export interface Source {
  url: string;
  /** Place in `recording.channels`, and the channel's place in the file. */
  lanes: readonly { lane: number; output: number }[];
}

/** Whether a channel is in the main file. */
export const isMain = ({ index }: Channel): boolean => index < MAIN_CHANNELS;

/** The files of a recording: both sides in one, each further channel in its own. */
export function sourcesOf({ audioUrl, channels }: Recording): Source[] {
  const main: Source = {
    url: audioUrl,
    lanes: channels.flatMap((channel, lane) =>
      isMain(channel) ? [{ lane, output: channel.index }] : [],
    ),
  };
  const further = channels.flatMap((channel, lane) =>
    isMain(channel)
      ? []
      : [
          {
            url: soundUrl(audioUrl, { channel: String(channel.index) }),
            lanes: [{ lane, output: 0 }],
          },
        ],
  );
  return [main, ...further];
}

/** What is switched at one channel. */
export interface Switches {
  readonly muted: boolean;
  readonly solo: boolean;
}

/** Which channels are heard: those in solo if there are any, else those that are not muted. */
export function audible(switches: readonly Switches[]): boolean[] {
  const solos = switches.some(({ solo }) => solo);
  return switches.map(({ muted, solo }) => (solos ? solo : !muted));
}
