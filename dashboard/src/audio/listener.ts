import { ApiError, errorText } from "@/api/client";
import type { ListenGrant } from "@/wire/ListenGrant";
import type { LivekitListen } from "@/wire/LivekitListen";
import type { Party } from "@/wire/Party";
import type { Feed, FeedEnd, OpenFeed } from "./feed";
import type { Output, Voice } from "./output";
import type { Closed, ConnectRoom, MonitorRoom, MonitorRoomEvents } from "./room";

/** Calls one person can hear at once: more is noise, and a grant each on the server. */
export const MAX_CALLS = 16;
/** The connection is kept this long after the last call, so that the next one is heard at once. */
const IDLE_MS = 60_000;
/** Waits between tries to come back: doubled from the first to the last, with jitter. */
const FIRST_WAIT_MS = 500;
const LAST_WAIT_MS = 10_000;

/** The parties that can be heard. */
export const PARTIES = ["customer", "agent"] as const satisfies readonly Party[];
export type HeardParty = (typeof PARTIES)[number];

export interface PartyAudio {
  /** 0 to `MAX_GAIN`; 1 is as it came. */
  readonly gain: number;
  readonly muted: boolean;
  /** Whether there is a track to hear. */
  readonly present: boolean;
}

/** One call that is listened to. */
export interface Listening {
  readonly callId: string;
  /** `waiting`: until the first track is there. `failed`: see `error`. */
  readonly phase: "waiting" | "hearing" | "reconnecting" | "failed";
  readonly error?: string;
  readonly parties: Readonly<Record<HeardParty, PartyAudio>>;
}

/** Loudest a party can be made. */
export const MAX_GAIN = 1.5;

export interface ListenerParts {
  listen: (callId: string) => Promise<ListenGrant>;
  unlisten: (callId: string) => Promise<void>;
  /** Loads the LiveKit client when it is first needed. */
  connect: ConnectRoom;
  /** Hears one call without LiveKit. */
  openFeed: OpenFeed;
  output: Output;
}

interface LiveVoice {
  voice: Voice;
  track: MediaStreamTrack;
}

const party = (): PartyAudio => ({ gain: 1, muted: false, present: false });

/** Splits `<callId>/<party>`. */
function parseTrackName(name: string): { callId: string; party: HeardParty } | undefined {
  const at = name.lastIndexOf("/");
  const found = PARTIES.find((each) => each === name.slice(at + 1));
  return at > 0 && found !== undefined ? { callId: name.slice(0, at), party: found } : undefined;
}

/**
 * Everything this page listens to: any number of calls over one room connection and one audio
 * context; without LiveKit, over a WebSocket each. What the person asked for is `#calls`; the room,
 * the feeds and the voices follow it.
 */
export class Listener {
  readonly #parts: ListenerParts;
  readonly #calls = new Map<string, Listening>();
  readonly #voices = new Map<string, LiveVoice>();
  readonly #feeds = new Map<string, Feed>();
  readonly #listeners = new Set<() => void>();
  readonly #returning = new Map<string, Promise<void>>();
  #shown: readonly Listening[] = [];
  #room: Promise<MonitorRoom> | undefined;
  #roomName = "";
  #idle: ReturnType<typeof setTimeout> | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #tries = 0;
  #microphone: MediaStreamTrack | undefined;
  #speaks = false;

  constructor(parts: ListenerParts) {
    this.#parts = parts;
  }

  /** Begins to listen. Call it in a gesture. Failures show in the state and can be tried again. */
  async listen(callId: string): Promise<void> {
    const known = this.#calls.get(callId);
    if (known !== undefined && known.phase !== "failed") return;
    void this.#parts.output.unlock();
    const parties = known?.parties ?? { customer: party(), agent: party() };
    const active = [...this.#calls.values()].filter((call) => call.phase !== "failed").length;
    if (active >= MAX_CALLS) {
      const error = `You hear ${MAX_CALLS} calls already. Stop one of them first.`;
      return this.#set({ callId, phase: "failed", error, parties });
    }
    this.#set({ callId, phase: "waiting", parties });
    await this.#ask(callId);
  }

  /** Stops at once, and gives the right to listen back. */
  async stop(callId: string): Promise<void> {
    if (!this.#calls.delete(callId)) return;
    this.#closeFeed(callId);
    this.#silence((name) => parseTrackName(name)?.callId === callId);
    this.#publish();
    this.#wantTracks();
    if (this.#calls.size === 0) this.#rest();
    await this.#giveBack(callId);
  }

  /** Stops everything and leaves the room: the page is being left. */
  stopAll(): void {
    for (const callId of [...this.#calls.keys()]) void this.stop(callId);
    this.#leave();
  }

  /** Makes a party louder or quieter, 0 to `MAX_GAIN`. */
  setGain(callId: string, which: HeardParty, gain: number): void {
    this.#change(callId, which, { gain: Math.min(MAX_GAIN, Math.max(0, gain)) });
  }

  /** Mutes a party for this page's ears only. */
  setMuted(callId: string, which: HeardParty, muted: boolean): void {
    this.#change(callId, which, { muted });
  }

  /** Mutes both parties, or lets both be heard if both are muted. */
  toggleMute(callId: string): void {
    const call = this.#calls.get(callId);
    if (call === undefined) return;
    const muted = !PARTIES.every((each) => call.parties[each].muted);
    for (const each of PARTIES) this.setMuted(callId, each, muted);
  }

  /**
   * Has this microphone in the room, now and after every new connection, as soon as the server
   * permits it; `undefined`: none.
   */
  speak(track: MediaStreamTrack | undefined): void {
    this.#microphone = track;
    const room = this.#room;
    void room?.then(
      (joined) => {
        if (this.#room === room) joined.speak(this.#microphone);
      },
      () => undefined, // the next one gets it when it is joined
    );
  }

  /** Whether the microphone is in the room. */
  speaks = (): boolean => this.#speaks;

  /** Loudness of a party as it arrives here; `undefined` while it is not heard. */
  level(callId: string, which: HeardParty): number | undefined {
    return this.#voices.get(`${callId}/${which}`)?.voice.level();
  }

  /** What is listened to, in the order it was asked for. Changes identity with its content. */
  calls = (): readonly Listening[] => this.#shown;

  /** Calls `listener` after every change of `calls` and of `speaks`. */
  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Gives a right back. The sound is off either way; a grant that stays ends with the session. */
  async #giveBack(callId: string): Promise<void> {
    const returning = this.#parts.unlisten(callId).catch(() => undefined);
    this.#returning.set(callId, returning);
    await returning;
    if (this.#returning.get(callId) === returning) this.#returning.delete(callId);
  }

  async #ask(callId: string): Promise<void> {
    try {
      await this.#returning.get(callId); // or it would take the new grant with it
      const grant = await this.#parts.listen(callId);
      if (!this.#calls.has(callId)) {
        return await this.#giveBack(callId); // stopped meanwhile
      }
      if (grant.livekit === null) return this.#feed(callId, grant.listenProxyUrl);
      clearTimeout(this.#idle);
      await this.#join(grant.livekit);
      this.#tries = 0;
      this.#wantTracks();
    } catch (error) {
      const temporary = !(error instanceof ApiError) || error.isTemporary;
      const known = this.#calls.get(callId);
      if (known?.phase === "reconnecting" && temporary) this.#retryLater();
      else this.#fail(callId, error instanceof ApiError ? errorText(error) : CANNOT_JOIN);
    }
  }

  /** Hears a call by its own WebSocket. */
  #feed(callId: string, url: string | null): void {
    this.#closeFeed(callId);
    if (url === null) return this.#fail(callId, "This call has no audio to hear.");
    const isCurrent = () => this.#feeds.get(callId) === feed;
    const feed = this.#parts.openFeed(url, callId, {
      onTrack: (name, track) => {
        if (!isCurrent()) return;
        this.#tries = 0;
        this.#gainTrack(name, track);
      },
      onEnd: (why) => {
        if (isCurrent()) this.#feedEnded(callId, why);
      },
    });
    this.#feeds.set(callId, feed);
  }

  #feedEnded(callId: string, why: FeedEnd): void {
    this.#closeFeed(callId);
    this.#silence((name) => parseTrackName(name)?.callId === callId);
    const call = this.#calls.get(callId);
    if (call === undefined) return;
    if (why === "removed") return this.#fail(callId, OVER.removed);
    // of a call that is over the page hears from the list of calls
    this.#set({ ...call, phase: why === "over" ? "waiting" : "reconnecting" });
    if (why === "lost") this.#retryLater();
  }

  #closeFeed(callId: string): void {
    this.#feeds.get(callId)?.close();
    this.#feeds.delete(callId);
  }

  /** The room of the grant: the one that is there, or a new connection. */
  async #join(grant: LivekitListen): Promise<void> {
    if (this.#room !== undefined && this.#roomName === grant.room) {
      await this.#room;
      return;
    }
    this.#leave();
    const joining: Promise<MonitorRoom> = this.#parts.connect(
      grant,
      this.#events(() => this.#room === joining),
    );
    this.#room = joining;
    this.#roomName = grant.room;
    try {
      const joined = await joining;
      if (this.#room === joining && this.#microphone !== undefined) joined.speak(this.#microphone);
    } catch (error) {
      if (this.#room === joining) this.#room = undefined;
      throw error;
    }
  }

  /** Events of one connection; those of one that was left are not ours any more. */
  #events(isCurrent: () => boolean): MonitorRoomEvents {
    return {
      onTrack: (name, track) => {
        if (isCurrent()) this.#gainTrack(name, track);
      },
      onTrackGone: (name, track) => {
        if (isCurrent()) this.#loseTrack(name, track);
      },
      onLink: (good) => {
        if (isCurrent()) this.#showLink(good);
      },
      onMicrophone: (published) => {
        if (isCurrent()) this.#showMicrophone(published);
      },
      onClosed: (why) => {
        if (isCurrent()) this.#closed(why);
      },
    };
  }

  #gainTrack(name: string, track: MediaStreamTrack): void {
    const parsed = parseTrackName(name);
    const call = parsed && this.#calls.get(parsed.callId);
    if (parsed === undefined || call === undefined) return; // nothing plays that was not asked for
    this.#silence((each) => each === name);
    const voice = this.#parts.output.attach(name, track);
    const audio = { ...call.parties[parsed.party], present: true };
    voice.setGain(audio.muted ? 0 : audio.gain);
    this.#voices.set(name, { voice, track });
    const parties = { ...call.parties, [parsed.party]: audio };
    this.#set({ callId: call.callId, phase: "hearing", parties });
  }

  #loseTrack(name: string, track: MediaStreamTrack): void {
    if (this.#voices.get(name)?.track !== track) return; // its successor is already there
    this.#silence((each) => each === name);
    this.#publish();
  }

  #showLink(good: boolean): void {
    for (const call of this.#calls.values()) {
      if (call.phase === "failed") continue;
      const heard = PARTIES.some((each) => call.parties[each].present);
      const phase = good ? (heard ? "hearing" : "waiting") : "reconnecting";
      this.#calls.set(call.callId, { ...call, phase });
    }
    this.#publish();
  }

  #showMicrophone(published: boolean): void {
    this.#speaks = published;
    this.#publish();
  }

  #closed(why: Closed): void {
    this.#room = undefined;
    this.#speaks = false;
    this.#silence(() => true);
    for (const call of this.#calls.values()) {
      if (call.phase === "failed") continue;
      const { callId, parties } = call;
      const again = { callId, parties, phase: "reconnecting" } as const;
      const over = { callId, parties, phase: "failed", error: OVER[why] } as const;
      this.#calls.set(callId, why === "lost" ? again : over);
    }
    this.#publish();
    if (why === "lost") this.#retryLater();
  }

  /** Asks again for every call that is to be heard again. One timer for all of them. */
  #retryLater(): void {
    if (this.#retry !== undefined || this.#calls.size === 0) return;
    const wait = Math.min(LAST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#tries);
    this.#tries += 1;
    const jittered = wait * (0.75 + Math.random() / 2);
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      for (const call of this.#calls.values()) {
        if (call.phase === "reconnecting") void this.#ask(call.callId);
      }
    }, jittered);
  }

  #wantTracks(): void {
    const room = this.#room;
    void room?.then(
      (joined) => {
        if (this.#room !== room) return;
        const heard = [...this.#calls.values()].filter((call) => call.phase !== "failed");
        joined.want(
          new Set(heard.flatMap(({ callId }) => PARTIES.map((each) => `${callId}/${each}`))),
        );
      },
      () => undefined, // whoever asked for the connection shows why there is none
    );
  }

  #change(callId: string, which: HeardParty, what: Partial<PartyAudio>): void {
    const call = this.#calls.get(callId);
    if (call === undefined) return;
    const audio = { ...call.parties[which], ...what };
    this.#voices.get(`${callId}/${which}`)?.voice.setGain(audio.muted ? 0 : audio.gain);
    this.#set({ ...call, parties: { ...call.parties, [which]: audio } });
  }

  #fail(callId: string, error: string): void {
    const call = this.#calls.get(callId);
    if (call === undefined) return;
    this.#silence((name) => parseTrackName(name)?.callId === callId);
    const { parties } = this.#calls.get(callId) ?? call;
    this.#set({ callId, phase: "failed", error, parties });
  }

  /** Closes voices and marks their parties as absent. */
  #silence(which: (name: string) => boolean): void {
    for (const [name, { voice }] of this.#voices) {
      if (!which(name)) continue;
      voice.close();
      this.#voices.delete(name);
      const parsed = parseTrackName(name);
      const call = parsed && this.#calls.get(parsed.callId);
      if (parsed === undefined || call === undefined) continue;
      const absent = { ...call.parties[parsed.party], present: false };
      const parties = { ...call.parties, [parsed.party]: absent };
      this.#calls.set(call.callId, { ...call, parties });
    }
  }

  /** Nothing is listened to: the connection is left after a while. */
  #rest(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => {
      if (this.#calls.size === 0) this.#leave();
    }, IDLE_MS);
  }

  #leave(): void {
    clearTimeout(this.#idle);
    const room = this.#room;
    this.#room = undefined;
    this.#speaks = false;
    this.#silence(() => true);
    void room?.then(
      (joined) => joined.leave(),
      () => undefined, // never joined
    );
  }

  #set(call: Listening): void {
    this.#calls.set(call.callId, call);
    this.#publish();
  }

  #publish(): void {
    this.#shown = [...this.#calls.values()];
    for (const listener of this.#listeners) listener();
  }
}

const CANNOT_JOIN = "The audio connection could not be made. Check the network and try again.";
const OVER = {
  lost: CANNOT_JOIN,
  removed: "Your right to listen was withdrawn.",
  elsewhere: "You are listening in another window now.",
} as const satisfies Record<Closed, string>;
