import { audioContext, unlock } from "@/audio/output";
import { addProbe } from "@/audio/probes";

/** Mutes are spread over this long: no clicks. */
const SMOOTH_SECONDS = 0.015;

export const RATES = [0.75, 1, 1.25, 1.5, 2] as const;

export interface PlaybackState {
  readonly playing: boolean;
  /** Playing was asked for, but the sound is not there yet. */
  readonly loading: boolean;
  readonly rate: number;
  /** One per channel of the file. */
  readonly muted: readonly boolean[];
  readonly error?: string;
}

/** A channel of the file and what its probe is called. */
export interface ChannelName {
  index: number;
  name: string;
}

function explain(error: MediaError | null): string {
  if (error?.code === MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED) {
    return "The recording could not be loaded, or this browser cannot play it. Download it instead.";
  }
  return "The recording stopped: it could not be read any further.";
}

interface Graph {
  gains: GainNode[];
  close: () => void;
}

/** Both channels into both ears, each through a gain of its own. */
function buildGraph(element: HTMLAudioElement, channels: readonly ChannelName[]): Graph {
  const output = audioContext();
  const source = output.createMediaElementSource(element);
  const splitter = output.createChannelSplitter(Math.max(2, channels.length));
  source.connect(splitter);
  const removers: (() => void)[] = [];
  const gains = channels.map(({ index, name }) => {
    const gain = output.createGain();
    splitter.connect(gain, index);
    gain.connect(output.destination);
    removers.push(addProbe(name, gain));
    return gain;
  });
  const close = () => {
    removers.forEach((remove) => remove());
    source.disconnect();
    gains.forEach((gain) => gain.disconnect());
  };
  return { gains, close };
}

/** Plays one recording through the page's audio context. One at a time on the page. */
export class Playback {
  static #current: Playback | undefined;
  readonly #element = new Audio();
  readonly #channels: readonly ChannelName[];
  readonly #listeners = new Set<() => void>();
  #graph: Graph | undefined;
  #state: PlaybackState;

  /** Nothing is loaded before `play` or `seek`. */
  constructor(url: string, channels: readonly ChannelName[]) {
    this.#channels = channels;
    this.#state = { playing: false, loading: false, rate: 1, muted: channels.map(() => false) };
    this.#element.preload = "none";
    this.#element.src = url;
    this.#hear();
  }

  /** What to show. Changes identity with its content; the position is apart. */
  state = (): PlaybackState => this.#state;

  /** Calls `listener` after every change of `state`, and after a seek. */
  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Position in seconds. */
  get position(): number {
    return this.#element.currentTime;
  }

  /** Plays on. Call it in a gesture. */
  async play(): Promise<void> {
    if (Playback.#current !== this) Playback.#current?.pause();
    Playback.#current = this;
    this.#change({ loading: true, error: undefined });
    this.#graph ??= buildGraph(this.#element, this.#channels);
    this.#applyMutes();
    try {
      await unlock();
      await this.#element.play();
    } catch {
      // a pause that came in between is no failure; a real one arrives as the error event
      this.#change({ loading: false });
    }
  }

  pause(): void {
    this.#element.pause();
  }

  toggle(): void {
    if (this.#state.playing || this.#state.loading) this.pause();
    else void this.play();
  }

  /** Goes to a position, in seconds from the start. */
  seek(seconds: number): void {
    this.#element.currentTime = Math.max(0, seconds);
    this.#tell();
  }

  /** Plays slower or faster, at the same pitch. */
  setRate(rate: number): void {
    this.#element.defaultPlaybackRate = rate;
    this.#element.playbackRate = rate;
    this.#change({ rate });
  }

  /** Mutes a channel, by its place in `state().muted`. */
  setMuted(channel: number, muted: boolean): void {
    this.#change({ muted: this.#state.muted.map((was, at) => (at === channel ? muted : was)) });
    this.#applyMutes();
  }

  /** Stops and lets go of everything. */
  close(): void {
    this.#element.pause();
    this.#element.removeAttribute("src");
    this.#element.load();
    this.#graph?.close();
    this.#graph = undefined;
    if (Playback.#current === this) Playback.#current = undefined;
  }

  #hear(): void {
    const on = (event: keyof HTMLMediaElementEventMap, act: () => void) =>
      this.#element.addEventListener(event, act);
    on("playing", () => this.#change({ playing: true, loading: false }));
    on("waiting", () => this.#change({ loading: true }));
    on("pause", () => this.#change({ playing: false, loading: false }));
    on("ended", () => this.#change({ playing: false, loading: false }));
    on("seeked", () => this.#tell());
    on("error", () => {
      if (!this.#element.hasAttribute("src")) return; // closed
      this.#change({ playing: false, loading: false, error: explain(this.#element.error) });
    });
  }

  #applyMutes(): void {
    this.#graph?.gains.forEach((gain, channel) => {
      const value = this.#state.muted[channel] === true ? 0 : 1;
      gain.gain.setTargetAtTime(value, gain.context.currentTime, SMOOTH_SECONDS);
    });
  }

  #change(part: { [K in keyof PlaybackState]?: PlaybackState[K] | undefined }): void {
    const { error, ...rest } = { ...this.#state, ...part };
    this.#state = { ...rest, ...(error === undefined ? {} : { error }) } as PlaybackState;
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
