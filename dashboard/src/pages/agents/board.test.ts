import { expect, test } from "vitest";
import { agentOf } from "@/testing/agents";
import { boardOf, tally } from "./board";

const currentCall = {
  id: "c",
  direction: "inbound",
  customerName: "Maria Lopez",
  startedAt: "2026-10-30T12:00:00.000Z",
} as const;
const agents = [
  agentOf({ name: "Zoe", status: "Offline" }),
  agentOf({ name: "Ben", status: "Busy" }),
  agentOf({ name: "Ava" }),
  agentOf({ name: "Max", status: "Busy", currentCall }),
];
const names = (search: string, status: Parameters<typeof boardOf>[2] = "") =>
  boardOf(agents, search, status).map(({ name }) => name);

test("who is in a call stands first, then who is free, then who is away", () => {
  expect(names("")).toEqual(["Max", "Ava", "Ben", "Zoe"]);
});

test("agents are found by name and by whom they talk to, and narrowed by status", () => {
  expect(names("lopez")).toEqual(["Max"]);
  expect(names("", "Busy")).toEqual(["Max", "Ben"]);
  expect(names("ava max")).toEqual([]);
});

test("the counts tell how many are there", () => {
  expect(tally(agents)).toEqual({ Available: 1, Busy: 2, Offline: 1, inCall: 1 });
});
