import { ApiError } from "@/api/client";
import { attemptTrouble, type Attempt } from "@/lib/supervision-words";
import type { Control } from "@/wire/Control";
import type { TalkMode } from "@/wire/TalkMode";
import type { Listening } from "./listener";
import { microphoneTrouble, type Microphone } from "./microphone";

/** A microphone that is permitted is in the room within this time, or something is wrong. */
const PUBLISHED_WITHIN_MS = 8_000;

/** How this page speaks in a call. */
export interface Speaking {
  readonly callId: string;
  /** `asking`: for the permission. `off`: nothing is armed; there is an error, or an act goes on. */
  readonly phase: "off" | "asking" | "arming" | "armed";
  /** To whom the person wants to speak. */
  readonly mode: TalkMode;
  /** The server said so. */
  readonly confirmed: boolean;
  /** This page has the call. */
  readonly holds: boolean;
  /** What is being done beyond speaking. */
  readonly act?: "takeover" | "handback";
  readonly error?: string;
}

/** What a talker needs of the listener. */
export interface Ears {
  listen(callId: string): Promise<void>;
  calls(): readonly Listening[];
  speak(track: MediaStreamTrack | undefined): void;
  speaks(): boolean;
  subscribe(listener: () => void): () => void;
}

export interface TalkerParts {
  ears: Ears;
  open: (deviceId: string | undefined) => Promise<Microphone>;
  talk: (callId: string, mode: TalkMode) => Promise<unknown>;
  takeOver: (callId: string, irreversible: boolean) => Promise<Control>;
  handBack: (callId: string) => Promise<Control>;
  /** Shows who has a call now. */
  show: (callId: string, control: Control) => void;
}

interface Voice {
  readonly callId: string;
  phase: Speaking["phase"];
  wish: TalkMode;
  /** What the server confirmed; `undefined`: not known. */
  told: TalkMode | undefined;
  /** The control with which this page got the call. */
  held: Control | undefined;
  act: Speaking["act"];
  error: string | undefined;
  /** The error says that another supervisor has the call: `true` until it is known as of when. */
  conflict: number | true | undefined;
  arming: Promise<boolean> | undefined;
  settling: Promise<void> | undefined;
}

/** How many hear a mode: 0 nobody, 1 agents, 2 everybody. */
function audience(mode: TalkMode | undefined, holds: boolean): number {
  if (mode === "whisper") return 1;
  return mode === undefined || mode === "barge" || holds ? 2 : 0;
}

const isAudible = (mode: TalkMode): boolean => mode === "whisper" || mode === "barge";

/**
 * Everything this page says: one microphone, armed for any number of calls, speaking in one.
 *
 * What a person wishes is `wish`; the server is told until it is `told` too. Between the two
 * nothing is said that more people would hear than the wish allows: the microphone is silent here,
 * before the server knows.
 */
export class Talker {
  readonly #parts: TalkerParts;
  readonly #voices = new Map<string, Voice>();
  readonly #listeners = new Set<() => void>();
  #shown: readonly Speaking[] = [];
  #microphone: Promise<Microphone> | undefined;
  #open: Microphone | undefined;
  #deviceId: string | undefined;
  #spoke = false;

  constructor(parts: TalkerParts) {
    this.#parts = parts;
  }

  /** Follows what is listened to, as long as the page is there; returns what ends it. */
  follow(): () => void {
    const stop = this.#parts.ears.subscribe(() => this.#follow());
    return () => {
      stop();
      for (const { callId } of [...this.#voices.values()]) void this.disarm(callId);
    };
  }

  /** Makes ready to speak; nobody hears anything yet. Whether that was possible. */
  arm(callId: string): Promise<boolean> {
    const voice = this.#voice(callId);
    if (voice.phase === "armed") return Promise.resolve(true);
    voice.arming ??= this.#arm(voice).finally(() => {
      voice.arming = undefined;
    });
    return voice.arming;
  }

  /** Speaks to nobody in this call any more, and closes the microphone if no other call needs it. */
  async disarm(callId: string): Promise<void> {
    const voice = this.#voices.get(callId);
    if (voice === undefined) return;
    this.#drop(voice);
    if (voice.phase === "armed") await this.#parts.talk(callId, "off").catch(() => undefined);
  }

  /** Speaks to the agents, everybody or nobody; arms first where it has to. */
  async speak(callId: string, mode: "whisper" | "barge" | "armed"): Promise<void> {
    const known = this.#voices.get(callId);
    if (mode === "armed" && known === undefined) return;
    const voice = known ?? this.#voice(callId);
    if (isAudible(mode)) {
      voice.error = this.#heldElsewhere(callId);
      if (voice.error !== undefined) return this.#publish();
      for (const other of this.#voices.values()) {
        if (other === voice || !isAudible(other.wish)) continue;
        other.wish = "armed"; // what is for one call is not said in another one
        void this.#settle(other);
      }
    }
    voice.wish = mode;
    this.#publish();
    if (isAudible(mode) && !(await this.arm(callId))) return;
    await this.#settle(voice);
  }

  /**
   * Takes a call over: the microphone first, then the call. Whether it was possible.
   * `irreversible`: the person knows that there is no way back.
   */
  async takeOver(callId: string, irreversible = false): Promise<boolean> {
    const voice = this.#voice(callId);
    if (voice.act !== undefined) return false;
    voice.error = this.#heldElsewhere(callId);
    if (voice.error !== undefined) {
      this.#publish();
      return false;
    }
    voice.conflict = undefined;
    voice.act = "takeover";
    voice.wish = "armed";
    this.#publish();
    const taken = (await this.arm(callId)) && (await this.#take(voice, irreversible));
    voice.act = undefined;
    this.#publish();
    return taken;
  }

  async #take(voice: Voice, irreversible: boolean): Promise<boolean> {
    const { callId } = voice;
    try {
      await this.#settle(voice);
      if (voice.told !== "armed") return false; // see its error
      const control = await this.#parts.takeOver(callId, irreversible);
      voice.held = control;
      this.#parts.show(callId, control);
      return true;
    } catch (error) {
      voice.error = attemptTrouble("takeover", error);
      if (error instanceof ApiError && error.code === "control_conflict") voice.conflict = true;
      return false;
    }
  }

  /** Gives a call back to the agent; the microphone stays armed. */
  async handBack(callId: string): Promise<void> {
    const voice = this.#voice(callId);
    if (voice.act !== undefined) return;
    voice.act = "handback";
    voice.error = undefined;
    this.#publish();
    try {
      const control = await this.#parts.handBack(callId);
      this.#parts.show(callId, control);
      this.#lose(voice);
    } catch (error) {
      voice.error = attemptTrouble("handback", error);
      if (error instanceof ApiError && error.code === "hand_back_unconfirmed") this.#lose(voice);
    }
    voice.act = undefined;
    if (voice.phase === "off" && voice.error === undefined) this.#voices.delete(callId);
    this.#publish();
  }

  /** Learns who has a call now. */
  controlled(callId: string, control: Control): void {
    const voice = this.#voices.get(callId);
    if (voice === undefined) return;
    if (voice.conflict !== undefined) this.#forgetConflict(voice, control);
    if (voice.held === undefined || control.version <= voice.held.version) return;
    if (voice.act !== "handback") voice.error = lostText(control, voice.held);
    this.#lose(voice);
    this.#publish();
  }

  /** Who was faster has given the call back: that is no trouble any more. */
  #forgetConflict(voice: Voice, { holder, version }: Control): void {
    if (voice.conflict === true) {
      if (holder !== "agent") voice.conflict = version;
    } else if (voice.conflict !== undefined && version > voice.conflict) {
      voice.conflict = undefined;
      voice.error = undefined;
      this.#publish();
    }
  }

  /** Takes another microphone, now and from now on. */
  async choose(deviceId: string | undefined): Promise<void> {
    this.#deviceId = deviceId;
    if (this.#microphone === undefined) return;
    const former = this.#open;
    try {
      const microphone = this.#parts.open(deviceId);
      const opened = await microphone;
      this.#microphone = microphone;
      this.#use(opened);
      this.#parts.ears.speak(opened.track);
      former?.close();
      for (const voice of this.#voices.values()) voice.error = undefined;
    } catch (error) {
      for (const voice of this.#voices.values()) voice.error = microphoneTrouble(error);
    }
    this.#publish();
  }

  /** Loudness at the microphone; 0 while it is closed. */
  level = (): number => this.#open?.level() ?? 0;

  /** In which calls this page speaks, or could not. Changes identity with its content. */
  calls = (): readonly Speaking[] => this.#shown;

  /** Calls `listener` after every change of `calls`. */
  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  #voice(callId: string): Voice {
    const known = this.#voices.get(callId);
    if (known !== undefined) return known;
    const voice: Voice = {
      callId,
      phase: "off",
      wish: "armed",
      told: undefined,
      held: undefined,
      act: undefined,
      error: undefined,
      conflict: undefined,
      arming: undefined,
      settling: undefined,
    };
    this.#voices.set(callId, voice);
    return voice;
  }

  #isCurrent(voice: Voice): boolean {
    return this.#voices.get(voice.callId) === voice;
  }

  async #arm(voice: Voice): Promise<boolean> {
    const { callId } = voice;
    const { ears } = this.#parts;
    voice.phase = "asking";
    voice.error = undefined;
    this.#publish();
    try {
      // asked before anything else is done: a refusal changes nothing
      const microphone = await this.#openMicrophone();
      if (!this.#isCurrent(voice)) return this.#rest();
      voice.phase = "arming";
      this.#publish();
      await ears.listen(callId);
      if (!this.#isCurrent(voice)) return this.#rest();
      const listening = ears.calls().find((each) => each.callId === callId);
      if (listening === undefined || listening.phase === "failed") {
        return this.#refuse(voice, listening?.error ?? "You stopped listening.");
      }
      await this.#parts.talk(callId, "armed");
      if (!this.#isCurrent(voice)) {
        void this.#parts.talk(callId, "off").catch(() => undefined);
        return this.#rest();
      }
      ears.speak(microphone.track);
      if (!(await this.#published(voice))) return this.#refuse(voice, NOT_PUBLISHED);
      voice.phase = "armed";
      voice.told = "armed";
      this.#publish();
      return true;
    } catch (error) {
      if (!this.#isCurrent(voice)) return this.#rest();
      const refused = error instanceof ApiError;
      return this.#refuse(voice, refused ? attemptTrouble("arm", error) : microphoneTrouble(error));
    }
  }

  async #openMicrophone(): Promise<Microphone> {
    const opening = (this.#microphone ??= this.#parts.open(this.#deviceId));
    try {
      const microphone = await opening;
      if (this.#microphone === opening && this.#open !== microphone) this.#use(microphone);
      return microphone;
    } catch (error) {
      if (this.#microphone === opening) this.#microphone = undefined;
      throw error;
    }
  }

  #use(microphone: Microphone): void {
    this.#open = microphone;
    microphone.onLost(() => {
      if (this.#open !== microphone) return;
      for (const voice of this.#voices.values()) {
        voice.error = voice.held === undefined ? UNPLUGGED : UNPLUGGED_HOLDING;
      }
      this.#publish();
    });
  }

  /** Resolves when the microphone is in the room, or cannot be expected there any more. */
  #published(voice: Voice): Promise<boolean> {
    const { ears } = this.#parts;
    return new Promise((resolve) => {
      const look = () => {
        if (ears.speaks() || !this.#isCurrent(voice)) finish();
      };
      const finish = () => {
        clearTimeout(timer);
        stop();
        resolve(ears.speaks() && this.#isCurrent(voice));
      };
      const timer = setTimeout(finish, PUBLISHED_WITHIN_MS);
      const stop = ears.subscribe(look);
      look();
    });
  }

  /** It could not be armed: nothing of it stays but the words. */
  #refuse(voice: Voice, error: string): false {
    if (!this.#isCurrent(voice)) return false;
    const wasArming = voice.phase === "arming";
    voice.phase = "off";
    voice.wish = "armed";
    voice.told = undefined;
    voice.error = error;
    if (wasArming) void this.#parts.talk(voice.callId, "off").catch(() => undefined);
    return this.#rest();
  }

  #drop(voice: Voice): void {
    this.#voices.delete(voice.callId);
    this.#rest();
  }

  /** Closes the microphone when no call needs it. */
  #rest(): false {
    const needed = [...this.#voices.values()].some(({ phase }) => phase !== "off");
    if (!needed && this.#microphone !== undefined) {
      const closing = this.#microphone;
      this.#microphone = undefined;
      this.#open = undefined;
      this.#parts.ears.speak(undefined);
      void closing.then(
        (microphone) => microphone.close(),
        () => undefined, // never opened
      );
    }
    this.#publish();
    return false;
  }

  #heldElsewhere(callId: string): string | undefined {
    const elsewhere = [...this.#voices.values()].some(
      (voice) => voice.held !== undefined && voice.callId !== callId,
    );
    return elsewhere
      ? "You have another call, and would be heard there. Hand it back first."
      : undefined;
  }

  #lose(voice: Voice): void {
    voice.held = undefined;
    voice.wish = "armed";
    voice.told = undefined; // a mode outlives the call's coming back
    void this.#settle(voice);
  }

  /** Tells the server what is wished, until both are the same. */
  #settle(voice: Voice): Promise<void> {
    voice.settling ??= this.#settleNow(voice).finally(() => {
      voice.settling = undefined;
    });
    return voice.settling;
  }

  async #settleNow(voice: Voice): Promise<void> {
    while (this.#isCurrent(voice) && voice.phase === "armed" && voice.told !== voice.wish) {
      const mode = voice.wish;
      try {
        await this.#parts.talk(voice.callId, mode);
        voice.told = mode;
        if (isAudible(mode)) voice.error = undefined;
      } catch (error) {
        const attempt: Attempt = mode === "whisper" || mode === "barge" ? mode : "silence";
        voice.error = attemptTrouble(attempt, error);
        voice.told = undefined;
        if (!isAudible(mode)) break; // silent here in any case
        voice.wish = "armed";
      }
      this.#publish();
    }
    this.#publish();
  }

  /** A call that is not listened to is not spoken in; a new connection is told everything again. */
  #follow(): void {
    const { ears } = this.#parts;
    const speaks = ears.speaks();
    const again = speaks && !this.#spoke;
    this.#spoke = speaks;
    for (const voice of [...this.#voices.values()]) {
      if (voice.phase !== "armed") continue;
      const listening = ears.calls().find((each) => each.callId === voice.callId);
      if (listening === undefined) this.#drop(voice);
      else if (listening.phase === "failed") {
        voice.held = undefined;
        this.#refuse(voice, listening.error ?? "You stopped listening.");
      } else if (again) {
        voice.told = undefined;
        void this.#settle(voice);
      }
    }
  }

  #publish(): void {
    const voices = [...this.#voices.values()];
    const armed = voices.filter(({ phase }) => phase === "armed");
    const reach = ({ wish, held }: Voice) => audience(wish, held !== undefined);
    const reaches = ({ told, held }: Voice) => audience(told, held !== undefined);
    const isSafe = armed.every((voice) => reaches(voice) <= reach(voice));
    this.#open?.setAudible(isSafe && armed.some((voice) => reach(voice) > 0));
    this.#shown = voices.map((voice) => ({
      callId: voice.callId,
      phase: voice.phase,
      mode: voice.wish,
      confirmed: voice.phase === "armed" && voice.told === voice.wish,
      holds: voice.held !== undefined,
      ...(voice.act === undefined ? {} : { act: voice.act }),
      ...(voice.error === undefined ? {} : { error: voice.error }),
    }));
    for (const listener of this.#listeners) listener();
  }
}

function lostText({ holder, holderName }: Control, held: Control): string {
  if (holder === "agent") return "The call went back to the agent.";
  if (holder === held.holder) return "You speak in the call from another window now.";
  return `${holderName ?? "Another supervisor"} has the call now.`;
}

const NOT_PUBLISHED =
  "Your microphone did not reach the server. Check the network and try again. Nobody heard you.";
const UNPLUGGED = "Your microphone is gone. Choose another one.";
const UNPLUGGED_HOLDING =
  "Your microphone is gone. Choose another one now: without one you lose the call.";
