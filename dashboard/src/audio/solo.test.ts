import { expect, test } from "vitest";
import { Listener } from "./listener";
import { hearAlone, isAlone, toggleAlone } from "./solo";

/** A listener whose server grants everything and plays nothing. */
function ears(): Listener {
  return new Listener({
    listen: () => Promise.resolve({ expiresAt: "", livekit: null, listenProxyUrl: "wss://x" }),
    unlisten: () => Promise.resolve(),
    connect: () => Promise.reject(new Error("there is no room here")),
    openFeed: () => ({ close: () => undefined }),
    output: {
      unlock: () => Promise.resolve(),
      attach: () => {
        throw new Error("nothing is to be heard here");
      },
    },
  });
}

/** The calls that can be heard. */
const heard = (listener: Listener): string[] =>
  listener
    .calls()
    .filter(({ parties }) => !parties.customer.muted && !parties.agent.muted)
    .map(({ callId }) => callId);

test("a call is heard alone, and all of them again", async () => {
  const listener = ears();
  for (const id of ["a", "b", "c"]) await listener.listen(id);
  toggleAlone(listener, "b");
  expect(heard(listener)).toEqual(["b"]);
  expect(isAlone(listener.calls(), "b")).toBe(true);
  toggleAlone(listener, "b");
  expect(heard(listener)).toEqual(["a", "b", "c"]);
  listener.setMuted("b", "agent", true);
  toggleAlone(listener, "b");
  expect(heard(listener)).toEqual(["b"]);
});

test("from one that is alone to another the first is silent", async () => {
  const listener = ears();
  for (const id of ["a", "b"]) await listener.listen(id);
  hearAlone(listener, "a");
  hearAlone(listener, "b");
  expect(heard(listener)).toEqual(["b"]);
});

test("a call that was not listened to is, alone", async () => {
  const listener = ears();
  await listener.listen("a");
  hearAlone(listener, "b");
  expect(heard(listener)).toEqual(["b"]);
  hearAlone(listener, "c");
  expect(heard(listener)).toEqual(["c"]);
});

test("a call that is the only one is not called alone", async () => {
  const listener = ears();
  hearAlone(listener, "a");
  await Promise.resolve();
  expect(isAlone(listener.calls(), "a")).toBe(false);
  expect(heard(listener)).toEqual(["a"]);
});
