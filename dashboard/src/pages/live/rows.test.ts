import { expect, test } from "vitest";
import { callOf } from "@/testing/calls";
import { DEFAULT_VIEW, heldRows, isLiveView, matching, sorted } from "./rows";

const at = (second: number) => `2026-10-30T12:00:${String(second).padStart(2, "0")}.000Z`;
const ids = (calls: readonly { id: string }[]) => calls.map((call) => call.id);

test("a search finds every word in any of a call's words", () => {
  const maria = callOf({ customerName: "Maria Gomez", agentName: "Ava", tags: ["vip"] });
  const jonas = callOf({ customerName: "Jonas Weber", agentName: "Ava" });
  const found = (text: string) => matching([maria, jonas], DEFAULT_VIEW, text);
  expect(found("ava")).toHaveLength(2);
  expect(found("MARIA ava")).toEqual([maria]);
  expect(found("vip")).toEqual([maria]);
  expect(found("maria weber")).toEqual([]);
  expect(found("  ")).toHaveLength(2);
});

test("filters narrow the list", () => {
  const [phone, web] = [callOf({ direction: "inbound" }), callOf({ direction: "web" })];
  expect(matching([phone, web], { ...DEFAULT_VIEW, direction: "web" }, "")).toEqual([web]);
  expect(matching([phone, web], { ...DEFAULT_VIEW, upstream: "sip" }, "")).toEqual([]);
});

test("calls are sorted by time or by name, and the source is left alone", () => {
  const a = callOf({ startedAt: at(1), customerName: "Zoe" });
  const b = callOf({ startedAt: at(2), customerName: "Adam" });
  const source = [a, b];
  expect(ids(sorted(source, "newest"))).toEqual(ids([b, a]));
  expect(ids(sorted(source, "oldest"))).toEqual(ids([a, b]));
  expect(ids(sorted(source, "customer"))).toEqual(ids([b, a]));
  expect(source).toEqual([a, b]);
});

test("under the pointer rows keep their places: new ones come last, gone ones stay as ended", () => {
  const [a, b, c] = [callOf(), callOf(), callOf()];
  const newer = { ...b, agentName: "Ava" };
  const rows = heldRows([a, b], [c, newer]);
  expect(ids(rows)).toEqual(ids([a, b, c]));
  expect(rows[0]?.status).toBe("ended");
  expect(rows[1]).toBe(newer);
});

test("a row that is gone keeps its identity while it is held", () => {
  const a = callOf();
  const once = heldRows([a], []);
  expect(heldRows(once, [])[0]).toBe(once[0]);
});

test("what a browser kept is checked before it is used", () => {
  expect(isLiveView(DEFAULT_VIEW)).toBe(true);
  expect(isLiveView({ ...DEFAULT_VIEW, sort: "size" })).toBe(false);
  expect(isLiveView(null)).toBe(false);
  expect(isLiveView("newest")).toBe(false);
});
