import { expect, test } from "vitest";
import type { Backlog } from "@/wire/Backlog";
import { healthOf, notStored, usedShare } from "./spool-health";

const backlog = (over: Partial<Backlog> = {}): Backlog => ({
  node: "gateway-1",
  recording: 12,
  sealing: 1,
  waiting: 2,
  uploading: 3,
  bytes: 100,
  budgetBytes: 1000,
  oldestSeconds: 4,
  ...over,
});

test("a node that keeps up is good, however many calls it records", () => {
  expect(healthOf(backlog({ recording: 300 })).level).toBe("good");
});

test("a store that refuses is a warning that says nothing is lost", () => {
  const health = healthOf(backlog({ error: "connection refused" }));
  expect(health.level).toBe("warn");
  expect(health.text).toContain("Nothing is lost");
});

test("a disk that is almost full is the worst, whatever else is wrong", () => {
  const health = healthOf(backlog({ bytes: 950, error: "connection refused" }));
  expect(health).toMatchObject({ level: "bad", title: "Disk almost full" });
});

test("a disk that fills up and a store that is late are told before it is too late", () => {
  expect(healthOf(backlog({ bytes: 750 })).title).toBe("Disk filling up");
  const late = healthOf(backlog({ oldestSeconds: 301 }));
  expect(late.title).toBe("Store is slow");
  expect(late.text).toContain("5:01");
});

test("a node without a budget shows an empty bar, and one beyond it a full bar", () => {
  expect(usedShare(backlog({ budgetBytes: 0 }))).toBe(0);
  expect(usedShare(backlog({ bytes: 2000 }))).toBe(1);
});

test("takes that are being recorded do not wait for the store", () => {
  expect(notStored(backlog())).toBe(6);
});
