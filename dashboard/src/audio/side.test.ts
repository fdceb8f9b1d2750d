import { expect, test } from "vitest";
import { ApiError } from "@/api/client";
import { Side, type SideParts } from "./side";

/** A line whose parts note what is done to them. */
function stage(over: Partial<SideParts> = {}) {
  const done: string[] = [];
  const closers: (() => void)[] = [];
  const line = new Side({
    seat: (callId) => {
      done.push(`seat ${callId}`);
      return Promise.resolve({ url: "", token: "", room: "r" });
    },
    open: () => {
      done.push("open");
      return Promise.resolve({
        track: {} as MediaStreamTrack,
        setAudible: (audible) => void done.push(`audible ${audible}`),
        level: () => 0,
        onLost: () => undefined,
        close: () => void done.push("close"),
      });
    },
    connect: (_seat, _track, onClosed) => {
      closers.push(onClosed);
      done.push("connect");
      return Promise.resolve({ leave: () => void done.push("leave") });
    },
    ...over,
  });
  return { line, done, closers };
}

test("the microphone is asked for first, and closed when the talk is over", async () => {
  const { line, done } = stage();
  await expect(line.join("a")).resolves.toBe(true);
  expect(line.state()).toEqual({ callId: "a", phase: "there" });
  expect(done).toEqual(["open", "seat a", "connect", "audible true"]);
  line.leave();
  expect(done.slice(4)).toEqual(["close", "leave"]);
  expect(line.state()).toBeUndefined();
});

test("a microphone that is refused leaves the transfer alone and says what to do", async () => {
  const refused = new DOMException("no", "NotAllowedError");
  const { line, done } = stage({ open: () => Promise.reject(refused) });
  await expect(line.join("a")).resolves.toBe(false);
  expect(line.state()?.error).toContain("Allow it for this page");
  expect(done).toEqual([]);
});

test("a transfer that was decided meanwhile closes the microphone again", async () => {
  const over = new ApiError(409, "transfer_over", "The transfer is over.");
  const { line, done } = stage({ seat: () => Promise.reject(over) });
  await expect(line.join("a")).resolves.toBe(false);
  expect(line.state()?.phase).toBe("failed");
  expect(done).toEqual(["open", "close"]);
});

test("who leaves while it connects is connected to nothing", async () => {
  let connected: (room: { leave: () => void }) => void = () => undefined;
  const left: string[] = [];
  const { line, done } = stage({
    connect: () => new Promise((resolve) => (connected = resolve)),
  });
  const joining = line.join("a");
  await Promise.resolve();
  await Promise.resolve();
  line.leave();
  connected({ leave: () => left.push("left") });
  await expect(joining).resolves.toBe(false);
  expect(line.state()).toBeUndefined();
  expect(done).not.toContain("audible true");
  expect(done).toContain("close");
});

test("a room that is closed ends the talk, and one about another call does not", async () => {
  const { line, closers } = stage();
  await line.join("a");
  await line.join("b");
  closers[0]?.();
  expect(line.state()).toEqual({ callId: "b", phase: "there" });
  closers[1]?.();
  expect(line.state()).toBeUndefined();
});
