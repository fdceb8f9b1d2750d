import { expect, test } from "vitest";
import { alertOf } from "@/testing/alerts";
import { withAlert } from "./alerts";

test("the newest alert stands first, and one that has cleared is open no more", () => {
  const old = alertOf({ id: "old", firedAt: "2026-10-30T12:00:00.000Z" });
  const young = alertOf({ id: "young", firedAt: "2026-10-30T13:00:00.000Z" });
  const both = withAlert([old], young);
  expect(both.map(({ id }) => id)).toEqual(["young", "old"]);
  expect(withAlert(both, { ...young, state: "cleared" })).toEqual([old]);
  expect(withAlert(both, { ...old, state: "acknowledged" })[1]?.state).toBe("acknowledged");
});

test("what cleared before anybody saw it does not appear", () => {
  expect(withAlert([], alertOf({ id: "a", state: "cleared" }))).toEqual([]);
});
