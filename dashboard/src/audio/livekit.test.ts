import { beforeEach, expect, test, vi } from "vitest";
import type { MonitorRoomEvents } from "./room";
import { connectRoom } from "./livekit";

/** The part of LiveKit's client that publishes, as a server would move it. */
const fake = vi.hoisted(() => {
  class Room {
    readonly handlers = new Map<string, (...told: unknown[]) => void>();
    readonly remoteParticipants = new Map();
    readonly done: string[] = [];
    fails = false;
    latest: unknown;
    readonly localParticipant = {
      permissions: { canPublish: false },
      publishTrack: (track: { id: string }) => {
        this.done.push(`publish ${track.id}`);
        if (this.fails) return Promise.reject(new Error("403"));
        const publication = this.publicationOf(track);
        this.latest = publication;
        this.tell("localTrackPublished", publication);
        return Promise.resolve(publication);
      },
      unpublishTrack: (track: { id: string }, stop: boolean) => {
        this.done.push(`unpublish ${track.id} ${stop ? "stop" : "keep"}`);
        return Promise.resolve(undefined);
      },
    };
    constructor() {
      rooms.push(this);
    }
    publicationOf(track: { id: string }) {
      const audio = {
        mediaStreamTrack: track,
        replaceTrack: (next: { id: string }) => {
          this.done.push(`replace ${next.id}`);
          audio.mediaStreamTrack = next;
          return Promise.resolve();
        },
      };
      return { track: audio, audioTrack: audio };
    }
    on(event: string, handler: (...told: unknown[]) => void) {
      this.handlers.set(event, handler);
      return this;
    }
    tell(event: string, ...told: unknown[]) {
      this.handlers.get(event)?.(...told);
    }
    permit(canPublish: boolean) {
      this.localParticipant.permissions = { canPublish };
      this.tell("participantPermissionsChanged");
    }
    connect = () => Promise.resolve();
    disconnect = () => Promise.resolve();
    removeAllListeners = () => this.handlers.clear();
  }
  const rooms: Room[] = [];
  return { Room, rooms };
});

vi.mock("livekit-client", async (original) => ({
  ...(await original<typeof import("livekit-client")>()),
  Room: fake.Room,
}));

beforeEach(() => {
  fake.rooms.length = 0;
});

const track = (id: string) => ({ id }) as MediaStreamTrack;
const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

async function stage() {
  const published: boolean[] = [];
  const events: MonitorRoomEvents = {
    onTrack: () => undefined,
    onTrackGone: () => undefined,
    onLink: () => undefined,
    onMicrophone: (is) => published.push(is),
    onClosed: () => undefined,
  };
  const room = await connectRoom({ url: "", token: "", room: "", tracks: [] }, events);
  const [server] = fake.rooms;
  if (server === undefined) throw new Error("no room was joined");
  return { room, server, published };
}

test("a microphone is published when the server permits it, and not before", async () => {
  const { room, server, published } = await stage();
  room.speak(track("a"));
  await settled();
  expect(server.done).toEqual([]);
  server.permit(true);
  await settled();
  expect(server.done).toEqual(["publish a"]);
  expect(published).toEqual([true]);
});

test("another one takes its place, and none takes it away without stopping it", async () => {
  const { room, server, published } = await stage();
  server.permit(true);
  room.speak(track("a"));
  room.speak(track("b")); // while the first one is on its way
  await settled();
  expect(server.done).toEqual(["publish a", "replace b"]);
  room.speak(undefined);
  await settled();
  expect(server.done.at(-1)).toBe("unpublish b keep");
  expect(published).toEqual([true, false]);
});

test("what the server took away is published again with the next permission", async () => {
  const { room, server, published } = await stage();
  server.permit(true);
  room.speak(track("a"));
  await settled();
  server.permit(false);
  server.tell("localTrackUnpublished", server.latest);
  await settled();
  expect(published).toEqual([true, false]);
  server.permit(true);
  await settled();
  expect(server.done).toEqual(["publish a", "publish a"]);
  expect(published).toEqual([true, false, true]);
});

test("a publication that failed is tried again with the next permission, and not in a loop", async () => {
  const { room, server, published } = await stage();
  server.fails = true;
  server.permit(true);
  room.speak(track("a"));
  await settled();
  expect(server.done).toEqual(["publish a"]);
  server.fails = false;
  server.permit(true);
  await settled();
  expect(published).toEqual([true]);
});

test("what the library publishes again by itself is not published twice", async () => {
  const { room, server, published } = await stage();
  server.permit(true);
  const microphone = track("a");
  room.speak(microphone);
  await settled();
  server.tell("localTrackPublished", server.publicationOf(microphone));
  server.tell("reconnected");
  await settled();
  expect(server.done).toEqual(["publish a"]);
  expect(published.at(-1)).toBe(true);
});
