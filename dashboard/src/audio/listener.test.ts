import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ApiError } from "@/api/client";
import type { ListenGrant } from "@/wire/ListenGrant";
import type { LivekitListen } from "@/wire/LivekitListen";
import { Listener, MAX_CALLS, MAX_GAIN } from "./listener";
import type { Feed, FeedEvents } from "./feed";
import type { Voice } from "./output";
import type { MonitorRoom, MonitorRoomEvents } from "./room";

/** A monitor room that does what the test says. */
class FakeRoom implements MonitorRoom {
  wanted: ReadonlySet<string> = new Set();
  left = false;
  constructor(
    readonly grant: LivekitListen,
    readonly events: MonitorRoomEvents,
  ) {}
  microphone: MediaStreamTrack | undefined;
  want(names: ReadonlySet<string>) {
    this.wanted = names;
  }
  speak(microphone: MediaStreamTrack | undefined) {
    this.microphone = microphone;
  }
  leave() {
    this.left = true;
  }
}

/** A feed that does what the test says. */
class FakeFeed implements Feed {
  closed = false;
  constructor(
    readonly url: string,
    readonly events: FeedEvents,
  ) {}
  close() {
    this.closed = true;
  }
}

class FakeVoice implements Voice {
  gain = -1;
  closed = false;
  constructor(readonly name: string) {}
  setGain(gain: number) {
    this.gain = gain;
  }
  level() {
    return 0.5;
  }
  close() {
    this.closed = true;
  }
}

const track = () => ({}) as MediaStreamTrack;

function stage() {
  const rooms: FakeRoom[] = [];
  const feeds: FakeFeed[] = [];
  const voices: FakeVoice[] = [];
  const asked: string[] = [];
  const returned: string[] = [];
  const answers: {
    listen: (callId: string) => Promise<ListenGrant>;
    connect: () => Promise<void>;
    unlisten: () => Promise<void>;
  } = {
    listen: (callId) =>
      Promise.resolve({
        expiresAt: "2026-10-30T12:10:00.000Z",
        livekit: {
          url: "ws://sfu",
          token: "token",
          room: "sidetone-monitor-1",
          tracks: [
            { name: `${callId}/customer`, party: "customer" as const },
            { name: `${callId}/agent`, party: "agent" as const },
          ],
        },
        listenProxyUrl: null,
      }),
    connect: () => Promise.resolve(),
    unlisten: () => Promise.resolve(),
  };
  const listener = new Listener({
    listen: (callId) => {
      asked.push(callId);
      return answers.listen(callId);
    },
    unlisten: (callId) => {
      returned.push(callId);
      return answers.unlisten();
    },
    connect: async (grant, events) => {
      await answers.connect();
      const room = new FakeRoom(grant, events);
      rooms.push(room);
      return room;
    },
    openFeed: (url, _callId, events) => {
      const feed = new FakeFeed(url, events);
      feeds.push(feed);
      return feed;
    },
    output: {
      unlock: () => Promise.resolve(),
      attach: (name) => {
        const voice = new FakeVoice(name);
        voices.push(voice);
        return voice;
      },
    },
  });
  const state = (callId: string) => listener.calls().find((call) => call.callId === callId);
  const audible = () => voices.filter((voice) => !voice.closed).map((voice) => voice.name);
  return { listener, rooms, feeds, voices, asked, returned, answers, state, audible };
}

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

test("listening subscribes both parties and is heard when their tracks come", async () => {
  const { listener, rooms, state, audible } = stage();
  await listener.listen("a");
  await vi.advanceTimersByTimeAsync(0);
  expect(state("a")?.phase).toBe("waiting");
  expect([...(rooms[0]?.wanted ?? [])]).toEqual(["a/customer", "a/agent"]);
  rooms[0]?.events.onTrack("a/customer", track());
  expect(state("a")?.phase).toBe("hearing");
  expect(state("a")?.parties.customer.present).toBe(true);
  expect(state("a")?.parties.agent.present).toBe(false);
  expect(audible()).toEqual(["a/customer"]);
  expect(listener.level("a", "customer")).toBe(0.5);
  expect(listener.level("a", "agent")).toBeUndefined();
});

test("any number of calls share one connection, also when asked for at once", async () => {
  const { listener, rooms } = stage();
  await Promise.all([listener.listen("a"), listener.listen("b"), listener.listen("c")]);
  await vi.advanceTimersByTimeAsync(0);
  expect(rooms).toHaveLength(1);
  expect(rooms[0]?.wanted.size).toBe(6);
});

test("nothing plays that was not asked for", async () => {
  const { listener, rooms, audible } = stage();
  await listener.listen("a");
  rooms[0]?.events.onTrack("b/customer", track());
  rooms[0]?.events.onTrack("a/supervisor", track());
  rooms[0]?.events.onTrack("nonsense", track());
  expect(audible()).toEqual([]);
});

test("stopping is silent at once and gives the right back", async () => {
  const { listener, rooms, returned, audible } = stage();
  await listener.listen("a");
  await listener.listen("b");
  rooms[0]?.events.onTrack("a/customer", track());
  rooms[0]?.events.onTrack("b/customer", track());
  const stopped = listener.stop("a");
  expect(audible()).toEqual(["b/customer"]);
  await stopped;
  await vi.advanceTimersByTimeAsync(0);
  expect(returned).toEqual(["a"]);
  expect([...(rooms[0]?.wanted ?? [])]).toEqual(["b/customer", "b/agent"]);
});

test("a stop while the grant is on its way wins", async () => {
  const { listener, rooms, returned } = stage();
  const listening = listener.listen("a");
  void listener.stop("a");
  await listening;
  expect(rooms).toHaveLength(0);
  expect(returned).toContain("a");
  expect(listener.calls()).toEqual([]);
});

test("listening again waits until the last right was given back", async () => {
  const { listener, asked, answers } = stage();
  await listener.listen("a");
  let done: () => void = () => undefined;
  answers.unlisten = () => new Promise((resolve) => (done = resolve));
  void listener.stop("a");
  const again = listener.listen("a");
  await vi.advanceTimersByTimeAsync(100);
  expect(asked).toEqual(["a"]);
  done();
  await again;
  expect(asked).toEqual(["a", "a"]);
});

test("a second window takes the sound over, and the first one says so", async () => {
  const { listener, rooms, asked, state } = stage();
  await listener.listen("a");
  rooms[0]?.events.onClosed("elsewhere");
  await vi.advanceTimersByTimeAsync(60_000);
  expect(state("a")?.error).toContain("another window");
  expect(asked).toEqual(["a"]);
});

test("the connection outlives the last call for a while, so that the next one is quick", async () => {
  const { listener, rooms } = stage();
  await listener.listen("a");
  await listener.stop("a");
  await vi.advanceTimersByTimeAsync(30_000);
  await listener.listen("b");
  expect(rooms).toHaveLength(1);
  await listener.stop("b");
  await vi.advanceTimersByTimeAsync(90_000);
  expect(rooms[0]?.left).toBe(true);
});

test("gain and mute of a party reach its voice, now and when it comes back", async () => {
  const { listener, rooms, voices, state } = stage();
  await listener.listen("a");
  const first = track();
  rooms[0]?.events.onTrack("a/agent", first);
  listener.setGain("a", "agent", 0.4);
  expect(voices[0]?.gain).toBe(0.4);
  listener.setMuted("a", "agent", true);
  expect(voices[0]?.gain).toBe(0);
  rooms[0]?.events.onTrackGone("a/agent", first);
  expect(state("a")?.parties.agent.present).toBe(false);
  rooms[0]?.events.onTrack("a/agent", track());
  expect(voices[1]?.gain).toBe(0);
  listener.setMuted("a", "agent", false);
  expect(voices[1]?.gain).toBe(0.4);
  listener.setGain("a", "agent", 99);
  expect(voices[1]?.gain).toBe(MAX_GAIN);
});

test("one key mutes both parties, and lets both be heard again", async () => {
  const { listener, state } = stage();
  await listener.listen("a");
  listener.setMuted("a", "agent", true);
  listener.toggleMute("a");
  expect(state("a")?.parties.customer.muted).toBe(true);
  expect(state("a")?.parties.agent.muted).toBe(true);
  listener.toggleMute("a");
  expect(state("a")?.parties.customer.muted).toBe(false);
  expect(state("a")?.parties.agent.muted).toBe(false);
});

test("a track that takes another's place is not silenced by the other's end", async () => {
  const { listener, rooms, audible } = stage();
  await listener.listen("a");
  const [before, after] = [track(), track()];
  rooms[0]?.events.onTrack("a/agent", before);
  rooms[0]?.events.onTrack("a/agent", after);
  rooms[0]?.events.onTrackGone("a/agent", before);
  expect(audible()).toEqual(["a/agent"]);
});

test("a refusal is told in the server's words and can be tried again", async () => {
  const { listener, answers, state } = stage();
  const good = answers.listen;
  answers.listen = () => Promise.reject(new ApiError(409, "call_not_live", "It is over."));
  await listener.listen("a");
  expect(state("a")).toMatchObject({ phase: "failed", error: "It is over." });
  answers.listen = good;
  await listener.listen("a");
  expect(state("a")?.phase).toBe("waiting");
  expect(state("a")?.error).toBeUndefined();
});

test("a room that cannot be reached is a failure with what to do", async () => {
  const { listener, answers, state, rooms } = stage();
  answers.connect = () => Promise.reject(new Error("could not establish pc connection"));
  await listener.listen("a");
  expect(state("a")?.phase).toBe("failed");
  expect(state("a")?.error).toContain("try again");
  answers.connect = () => Promise.resolve();
  await listener.listen("a");
  expect(rooms).toHaveLength(1);
});

/** The same without LiveKit. */
function feedStage() {
  const made = stage();
  let grants = 0;
  made.answers.listen = () => {
    grants += 1;
    const listenProxyUrl = `ws://server/listen/${grants}`;
    return Promise.resolve({
      expiresAt: "2026-10-30T12:10:00.000Z",
      livekit: null,
      listenProxyUrl,
    });
  };
  return made;
}

test("without LiveKit each call is heard by a feed of its own, party by party", async () => {
  const { listener, rooms, feeds, voices, returned, state, audible } = feedStage();
  await Promise.all([listener.listen("a"), listener.listen("b")]);
  expect(rooms).toHaveLength(0);
  expect(feeds.map((feed) => feed.url)).toEqual(["ws://server/listen/1", "ws://server/listen/2"]);
  feeds[0]?.events.onTrack("a/customer", track());
  feeds[0]?.events.onTrack("a/agent", track());
  expect(state("a")?.phase).toBe("hearing");
  listener.setGain("a", "agent", 0.3);
  listener.setMuted("a", "customer", true);
  expect(voices.map((voice) => voice.gain)).toEqual([0, 0.3]);
  await listener.stop("a");
  expect(audible()).toEqual([]);
  expect([feeds[0]?.closed, feeds[1]?.closed]).toEqual([true, false]);
  expect(returned).toEqual(["a"]);
  feeds[0]?.events.onTrack("a/agent", track());
  expect(audible()).toEqual([]);
});

test("a feed that is lost is asked for again, and one that was withdrawn is not", async () => {
  const { listener, feeds, state } = feedStage();
  await listener.listen("a");
  feeds[0]?.events.onTrack("a/agent", track());
  feeds[0]?.events.onEnd("lost");
  expect(state("a")?.phase).toBe("reconnecting");
  expect(state("a")?.parties.agent.present).toBe(false);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(feeds).toHaveLength(2);
  feeds[1]?.events.onTrack("a/agent", track());
  expect(state("a")?.phase).toBe("hearing");
  feeds[1]?.events.onEnd("removed");
  expect(state("a")?.phase).toBe("failed");
  await vi.advanceTimersByTimeAsync(60_000);
  expect(feeds).toHaveLength(2);
});

test("a call with nothing to hear says so", async () => {
  const { listener, answers, state } = stage();
  answers.listen = () =>
    Promise.resolve({ expiresAt: "2026-10-30T12:10:00.000Z", livekit: null, listenProxyUrl: null });
  await listener.listen("a");
  expect(state("a")?.phase).toBe("failed");
});

test("while the connection is mended the calls say so, and then are heard again", async () => {
  const { listener, rooms, state } = stage();
  await listener.listen("a");
  rooms[0]?.events.onTrack("a/agent", track());
  rooms[0]?.events.onLink(false);
  expect(state("a")?.phase).toBe("reconnecting");
  rooms[0]?.events.onLink(true);
  expect(state("a")?.phase).toBe("hearing");
});

test("a lost connection is made again with new grants, later and later", async () => {
  const { listener, rooms, asked, answers, state, audible } = stage();
  await Promise.all([listener.listen("a"), listener.listen("b")]);
  rooms[0]?.events.onTrack("a/agent", track());
  answers.connect = () => Promise.reject(new Error("down"));
  rooms[0]?.events.onClosed("lost");
  expect(audible()).toEqual([]);
  expect(state("a")?.phase).toBe("reconnecting");
  await vi.advanceTimersByTimeAsync(60_000);
  expect(asked.length).toBeGreaterThan(4);
  expect(asked.length).toBeLessThan(40);
  answers.connect = () => Promise.resolve();
  await vi.advanceTimersByTimeAsync(15_000);
  expect(rooms).toHaveLength(2);
  expect(rooms[1]?.wanted.size).toBe(4);
  rooms[1]?.events.onTrack("a/agent", track());
  expect(state("a")?.phase).toBe("hearing");
});

test("events of a connection that was left change nothing", async () => {
  const { listener, rooms, audible } = stage();
  await listener.listen("a");
  rooms[0]?.events.onClosed("lost");
  rooms[0]?.events.onTrack("a/agent", track());
  expect(audible()).toEqual([]);
});

test("a microphone is in the room of now, and in the next one when that is lost", async () => {
  const { listener, rooms } = stage();
  const microphone = track();
  listener.speak(microphone);
  await listener.listen("a");
  expect(rooms[0]?.microphone).toBe(microphone);
  rooms[0]?.events.onMicrophone(true);
  expect(listener.speaks()).toBe(true);
  rooms[0]?.events.onClosed("lost");
  expect(listener.speaks()).toBe(false);
  await vi.advanceTimersByTimeAsync(15_000);
  expect(rooms[1]?.microphone).toBe(microphone);
  listener.speak(undefined);
  await vi.advanceTimersByTimeAsync(0);
  expect(rooms[1]?.microphone).toBeUndefined();
});

test("a withdrawn right is not asked for again", async () => {
  const { listener, rooms, asked, state } = stage();
  await listener.listen("a");
  rooms[0]?.events.onClosed("removed");
  await vi.advanceTimersByTimeAsync(60_000);
  expect(state("a")?.phase).toBe("failed");
  expect(asked).toEqual(["a"]);
});

test("there is a limit to how many calls are heard at once", async () => {
  const { listener, state } = stage();
  for (let call = 0; call <= MAX_CALLS; call += 1) await listener.listen(String(call));
  expect(state(String(MAX_CALLS - 1))?.phase).toBe("waiting");
  expect(state(String(MAX_CALLS))?.phase).toBe("failed");
});

test("leaving the page stops everything and leaves the room", async () => {
  const { listener, rooms, returned, audible } = stage();
  await Promise.all([listener.listen("a"), listener.listen("b")]);
  rooms[0]?.events.onTrack("a/agent", track());
  listener.stopAll();
  await vi.advanceTimersByTimeAsync(0);
  expect(audible()).toEqual([]);
  expect(returned).toEqual(["a", "b"]);
  expect(rooms[0]?.left).toBe(true);
  expect(listener.calls()).toEqual([]);
});
