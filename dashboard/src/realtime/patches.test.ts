import { QueryClient } from "@tanstack/react-query";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { keys } from "@/api/query";
import { callOf } from "@/testing/calls";
import type { Call } from "@/wire/Call";
import { ENDED_STAYS_MS, Patches, withUpserts, withUpsertsInPages } from "./patches";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const upserts = (...calls: Call[]) => new Map(calls.map((call) => [call.id, call]));
const shown = (client: QueryClient) => client.getQueryData<Call[]>(keys.activeCalls);

function withCalls(...calls: Call[]): [QueryClient, Patches] {
  const client = new QueryClient();
  client.setQueryData(keys.activeCalls, calls);
  return [client, new Patches(client)];
}

test("an upsert replaces its call in place and adds new ones at the end", () => {
  const [a, b] = [callOf(), callOf()];
  const newer = { ...a, agentName: "Ava" };
  const added = callOf();
  expect(withUpserts([a, b], upserts(added, newer))).toEqual([newer, b, added]);
});

test("applying the same upsert twice changes nothing more", () => {
  const a = callOf();
  const newer = { ...a, agentName: "Ava" };
  const once = withUpserts([a], upserts(newer));
  expect(withUpserts(once, upserts(newer))).toEqual(once);
});

test("a list that nothing touches stays the same object", () => {
  const calls = [callOf()];
  expect(withUpserts(calls, upserts())).toBe(calls);
  expect(withUpserts(calls, upserts(callOf({ status: "ended" })))).toBe(calls);
});

test("a late message does not bring an ended call back to life", () => {
  const over = callOf({ status: "ended" });
  expect(withUpserts([over], upserts({ ...over, status: "connected" }))).toEqual([over]);
});

test("many upserts within a moment are one change of the list", () => {
  const a = callOf();
  const [client, patches] = withCalls(a);
  let changes = 0;
  client.getQueryCache().subscribe((event) => {
    if (event.type === "updated" && event.action.type === "success") changes += 1;
  });
  for (let version = 1; version <= 50; version += 1) {
    patches.upsert({ ...a, durationSeconds: version });
    patches.upsert(callOf());
  }
  vi.advanceTimersByTime(200);
  expect(shown(client)).toHaveLength(51);
  expect(shown(client)?.[0]?.durationSeconds).toBe(50);
  expect(changes).toBe(1);
});

test("an ended call stays for a few seconds and then leaves the list", () => {
  const a = callOf();
  const [client, patches] = withCalls(a, callOf());
  patches.upsert({ ...a, status: "ended" });
  patches.flush();
  expect(shown(client)?.[0]?.status).toBe("ended");
  vi.advanceTimersByTime(ENDED_STAYS_MS - 100);
  expect(shown(client)).toHaveLength(2);
  vi.advanceTimersByTime(200);
  expect(shown(client)).toHaveLength(1);
});

test("what the socket told during a snapshot's load is laid over the snapshot", () => {
  const [a, b] = [callOf(), callOf()];
  const [, patches] = withCalls();
  patches.upsert(callOf({ id: "before" }));
  patches.flush();
  vi.advanceTimersByTime(10);
  const since = performance.now();
  vi.advanceTimersByTime(10);
  const newer = { ...a, agentName: "Ava" };
  patches.upsert(newer);
  patches.flush();
  const fresh = callOf();
  patches.upsert(fresh); // not even flushed yet
  expect(patches.over([a, b], since)).toEqual([newer, b, fresh]);
  patches.close();
});

test("a call that is looked at changes with its upserts", () => {
  const a = callOf();
  const [client, patches] = withCalls(a);
  client.setQueryData(keys.call(a.id), a);
  patches.upsert({ ...a, customerName: "Maria" });
  patches.flush();
  expect(client.getQueryData<Call>(keys.call(a.id))?.customerName).toBe("Maria");
});

test("a call's recordings are asked for again when one was stored", () => {
  const a = callOf({ status: "ended" });
  const [client, patches] = withCalls();
  client.setQueryData(keys.call(a.id), a);
  client.setQueryData(keys.recordings(a.id), []);
  patches.upsert({ ...a, recordingStoredUrl: "/api/recordings/r/audio" });
  patches.flush();
  expect(client.getQueryState(keys.recordings(a.id))?.isInvalidated).toBe(true);
  patches.close();
});

test("a call in the history changes where it stands, and none is added to it", () => {
  const [a, b] = [callOf({ status: "ended" }), callOf({ status: "ended" })];
  const known = { pages: [{ items: [a] }, { items: [b] }], pageParams: [undefined, "next"] };
  const tagged = { ...b, tags: ["vip"] };
  const next = withUpsertsInPages(known, upserts(tagged, callOf()));
  expect(next.pages).toEqual([{ items: [a] }, { items: [tagged] }]);
  expect(next.pages[0]).toBe(known.pages[0]);
  expect(withUpsertsInPages(known, upserts(callOf()))).toBe(known);
});

test("who has a call now is shown at once, and an older word of it never", () => {
  const a = callOf();
  const [client, patches] = withCalls(a, callOf());
  client.setQueryData(keys.call(a.id), a);
  const taken = { ...a.control, holder: "supervisor:ada", holderName: "Ada", version: 2 };
  patches.upsert({ ...a, agentName: "Ava" }); // was on its way before
  patches.control(a.id, taken);
  expect(shown(client)?.[0]).toMatchObject({ agentName: "Ava", control: taken });
  expect(client.getQueryData<Call>(keys.call(a.id))?.control).toEqual(taken);
  patches.control(a.id, { ...taken, holder: "agent", version: 1 });
  expect(shown(client)?.[0]?.control).toEqual(taken);
  patches.control("elsewhere", taken);
  expect(shown(client)).toHaveLength(2);
});
