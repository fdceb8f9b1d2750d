import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ApiError } from "@/api/client";
import type { Control } from "@/wire/Control";
import type { TalkMode } from "@/wire/TalkMode";
import type { Listening } from "./listener";
import type { Microphone } from "./microphone";
import { Talker, type Ears } from "./talker";

const silent = { gain: 1, muted: false, present: true };

/** Ears that hear whatever they are asked to, and have the microphone in the room at once. */
class FakeEars implements Ears {
  heard: Listening[] = [];
  track: MediaStreamTrack | undefined;
  works = true;
  readonly #listeners = new Set<() => void>();

  listen(callId: string) {
    if (this.heard.every((each) => each.callId !== callId)) {
      const parties = { customer: silent, agent: silent };
      this.heard = [...this.heard, { callId, phase: "hearing", parties }];
    }
    return Promise.resolve();
  }
  calls = () => this.heard;
  speak(track: MediaStreamTrack | undefined) {
    this.track = track;
    this.tell();
  }
  speaks = () => this.works && this.track !== undefined;
  subscribe = (listener: () => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };
  tell() {
    for (const listener of this.#listeners) listener();
  }
}

class FakeMicrophone implements Microphone {
  readonly track = {} as MediaStreamTrack;
  audible = false;
  closed = false;
  lose: () => void = () => undefined;
  setAudible(audible: boolean) {
    this.audible = audible;
  }
  level() {
    return 0.25;
  }
  onLost(listener: () => void) {
    this.lose = listener;
  }
  close() {
    this.closed = true;
  }
}

const controlOf = (holder: string, version: number, holderName?: string): Control => ({
  holder,
  version,
  since: "2026-10-30T12:00:00.000Z",
  ...(holderName === undefined ? {} : { holderName }),
});

function stage() {
  const ears = new FakeEars();
  const opened: FakeMicrophone[] = [];
  const told: string[] = [];
  const answers = {
    open: (): Promise<void> => Promise.resolve(),
    talk: (() => Promise.resolve()) as (mode: TalkMode) => Promise<void>,
    takeOver: () => Promise.resolve(controlOf("supervisor:me", 1)),
    handBack: () => Promise.resolve(controlOf("agent", 2)),
  };
  const talker = new Talker({
    ears,
    open: async () => {
      await answers.open();
      const microphone = new FakeMicrophone();
      opened.push(microphone);
      return microphone;
    },
    talk: (callId, mode) => {
      told.push(`${callId} ${mode}`);
      return answers.talk(mode);
    },
    takeOver: (callId) => {
      told.push(`${callId} takeover`);
      return answers.takeOver();
    },
    handBack: (callId) => {
      told.push(`${callId} handback`);
      return answers.handBack();
    },
    show: () => undefined,
  });
  talker.follow();
  const state = (callId: string) => talker.calls().find((call) => call.callId === callId);
  return { talker, ears, opened, told, answers, state };
}

/** A promise that the test resolves. */
function held() {
  let release: () => void = () => undefined;
  const promise = new Promise<void>((resolve) => (release = resolve));
  return { promise, release };
}

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

test("arming asks for the microphone, listens, tells the server and is heard by nobody", async () => {
  const { talker, ears, opened, told, state } = stage();
  expect(await talker.arm("a")).toBe(true);
  expect(state("a")).toMatchObject({ phase: "armed", mode: "armed", confirmed: true });
  expect(told).toEqual(["a armed"]);
  expect(ears.track).toBe(opened[0]?.track);
  expect(opened[0]?.audible).toBe(false);
  expect(talker.level()).toBe(0.25);
});

test("a refused microphone changes nothing, says what to do, and can be tried again", async () => {
  const { talker, ears, told, answers, state } = stage();
  answers.open = () => Promise.reject(new DOMException("no", "NotAllowedError"));
  expect(await talker.takeOver("a")).toBe(false);
  expect(told).toEqual([]);
  expect(ears.heard).toEqual([]);
  expect(state("a")).toMatchObject({ phase: "off", holds: false });
  expect(state("a")?.error).toContain("Allow it for this page");
  answers.open = () => Promise.resolve();
  expect(await talker.arm("a")).toBe(true);
  expect(state("a")?.error).toBeUndefined();
});

test("a whisper lasts as long as it is held", async () => {
  const { talker, opened, told } = stage();
  await talker.arm("a");
  await talker.speak("a", "whisper");
  expect(opened[0]?.audible).toBe(true);
  void talker.speak("a", "armed");
  expect(opened[0]?.audible).toBe(false); // before the server knows
  await vi.advanceTimersByTimeAsync(0);
  expect(told).toEqual(["a armed", "a whisper", "a armed"]);
});

test("a whisper arms first, and is none any more when it was let go meanwhile", async () => {
  const { talker, opened, told, answers } = stage();
  const asking = held();
  answers.open = () => asking.promise;
  const whispering = talker.speak("a", "whisper");
  void talker.speak("a", "armed");
  asking.release();
  await whispering;
  expect(told).toEqual(["a armed"]);
  expect(opened[0]?.audible).toBe(false);
});

test("nobody hears what is meant for fewer before the server has switched", async () => {
  const { talker, opened, answers } = stage();
  await talker.speak("a", "barge");
  expect(opened[0]?.audible).toBe(true);
  const switching = held();
  answers.talk = () => switching.promise;
  const whispering = talker.speak("a", "whisper");
  expect(opened[0]?.audible).toBe(false);
  switching.release();
  await whispering;
  expect(opened[0]?.audible).toBe(true);
});

test("a whisper that was refused is taken back, with words", async () => {
  const { talker, opened, told, answers, state } = stage();
  await talker.arm("a");
  answers.talk = (mode) =>
    mode === "whisper"
      ? Promise.reject(new ApiError(504, "gateway_timeout", "no answer"))
      : Promise.resolve();
  await talker.speak("a", "whisper");
  expect(state("a")).toMatchObject({ mode: "armed", confirmed: true });
  expect(state("a")?.error).toContain("Your whisper was not heard");
  expect(opened[0]?.audible).toBe(false);
  expect(told.at(-1)).toBe("a armed"); // the server may have done it after all
});

test("a whisper whose end nobody confirms is silent here", async () => {
  const { talker, opened, answers, state } = stage();
  await talker.speak("a", "whisper");
  answers.talk = () => Promise.reject(new ApiError(0, "unreachable", "Nothing answers."));
  await talker.speak("a", "armed");
  expect(opened[0]?.audible).toBe(false);
  expect(state("a")?.error).toContain("silent here");
});

test("a call is taken over with an armed microphone, and handed back with one", async () => {
  const { talker, opened, told, state } = stage();
  expect(await talker.takeOver("a")).toBe(true);
  expect(told).toEqual(["a armed", "a takeover"]);
  expect(state("a")).toMatchObject({ holds: true, phase: "armed" });
  expect(opened[0]?.audible).toBe(true);
  await talker.handBack("a");
  await vi.advanceTimersByTimeAsync(0);
  expect(told.slice(2)).toEqual(["a handback", "a armed"]);
  expect(state("a")).toMatchObject({ holds: false, phase: "armed", confirmed: true });
  expect(opened[0]?.audible).toBe(false);
});

test("who has the call whispers aside, and is silent until the customer cannot hear it", async () => {
  const { talker, opened, answers } = stage();
  await talker.takeOver("a");
  const switching = held();
  answers.talk = () => switching.promise;
  const whispering = talker.speak("a", "whisper");
  expect(opened[0]?.audible).toBe(false);
  switching.release();
  await whispering;
  expect(opened[0]?.audible).toBe(true);
});

test("who was slower is told who was faster, listens on, and is told no longer than it is so", async () => {
  const { talker, ears, answers, state } = stage();
  answers.takeOver = () =>
    Promise.reject(new ApiError(409, "control_conflict", "Ada Lovelace has the call."));
  expect(await talker.takeOver("a")).toBe(false);
  expect(state("a")?.error).toMatch(/^Ada Lovelace was faster/);
  expect(ears.heard).toHaveLength(1);
  talker.controlled("a", controlOf("agent", 0)); // not known yet
  expect(state("a")?.error).toMatch(/^Ada Lovelace was faster/);
  talker.controlled("a", controlOf("supervisor:ada", 1, "Ada Lovelace"));
  expect(state("a")?.error).toMatch(/^Ada Lovelace was faster/);
  talker.controlled("a", controlOf("agent", 2));
  expect(state("a")?.error).toBeUndefined();
});

test("a call that went back by itself is not spoken in, and that is said", async () => {
  const { talker, opened, state } = stage();
  await talker.takeOver("a");
  talker.controlled("a", controlOf("supervisor:me", 1));
  expect(state("a")?.holds).toBe(true);
  talker.controlled("a", controlOf("agent", 2));
  expect(state("a")).toMatchObject({ holds: false, error: "The call went back to the agent." });
  expect(opened[0]?.audible).toBe(false);
});

test("who takes the call in another window as well speaks there, and not here", async () => {
  const { talker, opened, state } = stage();
  await talker.takeOver("a");
  talker.controlled("a", controlOf("supervisor:me", 2));
  expect(state("a")).toMatchObject({ holds: false });
  expect(state("a")?.error).toContain("another window");
  expect(opened[0]?.audible).toBe(false);
});

test("what is for one call is not said in another", async () => {
  const { talker, told, state } = stage();
  await talker.speak("a", "barge");
  await talker.speak("b", "whisper");
  expect(state("a")?.mode).toBe("armed");
  expect(told).toContain("a armed");
  await talker.speak("b", "armed");
  await talker.takeOver("a");
  await talker.speak("b", "whisper");
  expect(state("b")?.error).toContain("Hand it back first");
  expect(told).not.toContain("b takeover");
  expect(await talker.takeOver("b")).toBe(false);
});

test("who listens no more speaks no more, and the microphone is closed", async () => {
  const { talker, ears, opened, state } = stage();
  await talker.speak("a", "barge");
  ears.heard = [];
  ears.tell();
  await vi.advanceTimersByTimeAsync(0);
  expect(state("a")).toBeUndefined();
  expect(ears.track).toBeUndefined();
  expect(opened[0]?.closed).toBe(true);
});

test("disarming closes the microphone unless another call needs it", async () => {
  const { talker, opened, told } = stage();
  await talker.arm("a");
  await talker.arm("b");
  expect(opened).toHaveLength(1);
  await talker.disarm("a");
  expect(told.at(-1)).toBe("a off");
  expect(opened[0]?.closed).toBe(false);
  await talker.disarm("b");
  expect(opened[0]?.closed).toBe(true);
});

test("a microphone that does not reach the server is not armed", async () => {
  const { talker, ears, state } = stage();
  ears.works = false;
  const arming = talker.arm("a");
  await vi.advanceTimersByTimeAsync(10_000);
  expect(await arming).toBe(false);
  expect(state("a")?.error).toContain("did not reach the server");
});

test("a new connection is told everything again", async () => {
  const { talker, ears, told } = stage();
  await talker.speak("a", "barge");
  ears.works = false;
  ears.tell();
  ears.works = true;
  ears.tell();
  await vi.advanceTimersByTimeAsync(0);
  expect(told.slice(-2)).toEqual(["a barge", "a barge"]);
});

test("another microphone takes the place of the one that is open, or was unplugged", async () => {
  const { talker, ears, opened, state } = stage();
  await talker.takeOver("a");
  opened[0]?.lose();
  expect(state("a")?.error).toContain("without one you lose the call");
  await talker.choose("other");
  expect(ears.track).toBe(opened[1]?.track);
  expect(opened[0]?.closed).toBe(true);
  expect(opened[1]?.audible).toBe(true);
  expect(state("a")?.error).toBeUndefined();
});
