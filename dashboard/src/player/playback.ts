import { ApiError, probe } from "@/api/client";
import { soundUrl } from "@/api/recordings";
import { audioContext, unlock } from "@/audio/output";
import { addProbe } from "@/audio/probes";
import { audible, type Source, type Switches } from "./mixing";
import { soundTrouble } from "./trouble";

/** Mutes are spread over this long: no clicks. */
const SMOOTH_SECONDS = 0.015;
/** A further file may be this far off the main one before it is put right: less is not noticed. */
const DRIFT_SECONDS = 0.08;

export const RATES = [0.75, 1, 1.25, 1.5, 2] as const;

export interface PlaybackState {
  readonly playing: boolean;
  /** Playing was asked for, but the sound is not there yet. */
  readonly loading: boolean;
  readonly rate: number;
  /** One per channel of the recording. */
  readonly switches: readonly Switches[];
  readonly error?: string;
}

/** What is played. */
export interface Playable {
  /** The main file first. */
  sources: readonly Source[];
  /** Name of each channel's probe. Channels that are not of the main file begin muted. */
  probes: readonly string[];
  durationSeconds: number;
}

function explain(error: MediaError | null): string {
  return error?.code === MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED
    ? "This browser cannot play the recording. Download it instead."
    : "The recording stopped: it could not be read any further. Press Play to go on from here.";
}

/** A file's element on its way to the speakers. */
class Voice {
  readonly element = new Audio();
  readonly #source: Source;
  #gains: Map<number, GainNode> | undefined;
  #letGo: (() => void)[] = [];

  constructor(source: Source) {
    this.#source = source;
    this.element.preload = "none";
    this.element.src = source.url;
  }

  /** Why its file is refused; `undefined` when it can be had. */
  async refusal(): Promise<unknown> {
    try {
      await probe(this.element.src);
    } catch (refused) {
      return refused;
    }
    return undefined;
  }

  /** What cannot be had as it was stored may be had converted: whether that is left to be tried. */
  converted(): boolean {
    const url = soundUrl(this.#source.url, { format: "wav" });
    if (this.element.getAttribute("src") === url) return false;
    this.element.src = url;
    return true;
  }

  /** Whether any of its channels is among the heard ones. */
  isWanted(heard: readonly boolean[]): boolean {
    return this.#source.lanes.some(({ lane }) => heard[lane] === true);
  }

  /** Each channel into both ears, through a gain of its own. */
  connect(probes: readonly string[]): void {
    if (this.#gains !== undefined) return;
    const output = audioContext();
    const source = output.createMediaElementSource(this.element);
    const splitter = output.createChannelSplitter(2);
    source.connect(splitter);
    this.#letGo.push(() => source.disconnect());
    this.#gains = new Map(
      this.#source.lanes.map(({ lane, output: channel }) => {
        const gain = output.createGain();
        gain.gain.value = 0;
        splitter.connect(gain, channel);
        gain.connect(output.destination);
        this.#letGo.push(addProbe(probes[lane] ?? "", gain), () => gain.disconnect());
        return [lane, gain];
      }),
    );
  }

  apply(heard: readonly boolean[]): void {
    this.#gains?.forEach((gain, lane) => {
      const value = heard[lane] === true ? 1 : 0;
      gain.gain.setTargetAtTime(value, gain.context.currentTime, SMOOTH_SECONDS);
    });
  }

  close(): void {
    this.element.pause();
    this.element.removeAttribute("src");
    this.element.load();
    this.#letGo.forEach((each) => each());
    this.#letGo = [];
    this.#gains = undefined;
  }
}

/** Plays one recording through the page's audio context. One at a time on the page. */
export class Playback {
  static #current: Playback | undefined;
  readonly #playable: Playable;
  readonly #main: Voice;
  readonly #further: readonly Voice[];
  readonly #listeners = new Set<() => void>();
  #state: PlaybackState;

  /** Nothing is loaded before `play` or `seekTo`. */
  constructor(playable: Playable) {
    this.#playable = playable;
    const [main, ...further] = playable.sources;
    if (main === undefined) throw new Error("a recording has a main file");
    this.#main = new Voice(main);
    this.#further = further.map((source) => new Voice(source));
    const inMain = new Set(main.lanes.map(({ lane }) => lane));
    const switches = playable.probes.map((_, lane) => ({ muted: !inMain.has(lane), solo: false }));
    this.#state = { playing: false, loading: false, rate: 1, switches };
    this.#hear();
  }

  /** What to show. Changes identity with its content; the position is apart. */
  state = (): PlaybackState => this.#state;

  /** Calls `listener` after every change of `state`, and after a seek. */
  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Position in milliseconds. */
  get positionMs(): number {
    return this.#main.element.currentTime * 1000;
  }

  /** Whether keys mean this one: it was used last, or nothing was and it is the page's first. */
  hearsKeys(primary: boolean): boolean {
    return Playback.#current === undefined ? primary : Playback.#current === this;
  }

  /** Plays on. Call it in a gesture. */
  async play(): Promise<void> {
    this.#take();
    const { element } = this.#main;
    if (element.error !== null) this.#reload();
    this.#change({ loading: true, error: undefined });
    this.#main.connect(this.#playable.probes);
    this.#applySwitches();
    try {
      await unlock();
      await element.play();
    } catch {
      // a pause that came in between is no failure; a real one arrives as the error event
      this.#change({ loading: false });
    }
  }

  pause(): void {
    this.#main.element.pause();
  }

  toggle(): void {
    if (this.#state.playing || this.#state.loading) this.pause();
    else void this.play();
  }

  /** Goes to a position, in milliseconds from the start; beyond the ends means to them. */
  seekTo(ms: number): void {
    this.#take();
    const seconds = Math.min(this.#playable.durationSeconds, Math.max(0, ms / 1000));
    this.#main.element.currentTime = seconds;
    this.#follow();
    this.#tell();
  }

  /** Plays slower or faster, at the same pitch. */
  setRate(rate: number): void {
    for (const { element } of [this.#main, ...this.#further]) {
      element.defaultPlaybackRate = rate;
      element.playbackRate = rate;
    }
    this.#change({ rate });
  }

  /** The next speed in a direction; the last one stays. */
  stepRate(step: 1 | -1): void {
    const at = RATES.findIndex((rate) => rate === this.#state.rate);
    this.setRate(RATES[at + step] ?? this.#state.rate);
  }

  /** Switches a channel, by its place in the recording. */
  switch(lane: number, part: Partial<Switches>): void {
    const { switches } = this.#state;
    this.#change({
      switches: switches.map((was, at) => (at === lane ? { ...was, ...part } : was)),
    });
    this.#applySwitches();
  }

  /** Stops and lets go of everything. */
  close(): void {
    for (const voice of [this.#main, ...this.#further]) voice.close();
    if (Playback.#current === this) Playback.#current = undefined;
  }

  /** Is the page's player from here on. */
  #take(): void {
    if (Playback.#current !== this) Playback.#current?.pause();
    Playback.#current = this;
  }

  /** A failed element plays again only after it was loaded anew. */
  #reload(): void {
    const at = this.#main.element.currentTime;
    this.#main.element.load();
    this.#main.element.currentTime = at;
  }

  #hear(): void {
    const { element } = this.#main;
    const on = (event: keyof HTMLMediaElementEventMap, act: () => void) =>
      element.addEventListener(event, act);
    on("playing", () => this.#change({ playing: true, loading: false }, true));
    on("waiting", () => this.#change({ loading: true }));
    on("pause", () => this.#change({ playing: false, loading: false }, true));
    on("ended", () => this.#change({ playing: false, loading: false }, true));
    on("timeupdate", () => this.#follow());
    on("seeked", () => this.#tell());
    on("error", () => {
      if (!element.hasAttribute("src")) return; // closed
      void this.#fail(this.#main);
    });
    for (const voice of this.#further) {
      voice.element.addEventListener("error", () => {
        if (voice.element.hasAttribute("src")) void this.#fail(voice);
      });
    }
  }

  async #fail(voice: Voice): Promise<void> {
    const wasWanted = this.#state.playing || this.#state.loading;
    const position = voice.element.currentTime;
    const isMain = voice === this.#main;
    if (isMain) this.#change({ playing: false, loading: false });
    const { error } = voice.element;
    const refusal = await voice.refusal();
    if (!voice.element.hasAttribute("src")) return; // closed meanwhile
    // two sides whose packets fit into no common file
    const unsuitable = refusal instanceof ApiError && refusal.status === 422;
    if (unsuitable && voice.converted()) {
      voice.element.currentTime = position;
      if (isMain && wasWanted) await this.play();
      return;
    }
    this.#change({ error: refusal === undefined ? explain(error) : soundTrouble(refusal) });
  }

  /** Further files that are heard do what the main one does, where it does it. */
  #follow(): void {
    const { element: main } = this.#main;
    const heard = audible(this.#state.switches);
    for (const voice of this.#further) {
      const { element } = voice;
      if (!this.#state.playing || !voice.isWanted(heard)) {
        element.pause();
        continue;
      }
      voice.connect(this.#playable.probes);
      voice.apply(heard);
      if (!element.seeking && Math.abs(element.currentTime - main.currentTime) > DRIFT_SECONDS) {
        element.currentTime = main.currentTime;
      }
      if (element.paused && element.error === null) void element.play().catch(() => undefined);
    }
  }

  #applySwitches(): void {
    const heard = audible(this.#state.switches);
    for (const voice of [this.#main, ...this.#further]) voice.apply(heard);
    this.#follow();
  }

  #change(
    part: { [K in keyof PlaybackState]?: PlaybackState[K] | undefined },
    follows = false,
  ): void {
    const { error, ...rest } = { ...this.#state, ...part };
    this.#state = { ...rest, ...(error === undefined ? {} : { error }) } as PlaybackState;
    if (follows) this.#follow();
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
