import { expect, test } from "vitest";
import type { Preferences } from "@/wire/Preferences";
import { MAX_VIEWS, viewsOf, withoutView, withView } from "./views";

const preferences = (history: unknown): Preferences => ({
  pinnedTiles: [],
  layout: "list",
  theme: "system",
  views: { live: { sort: "newest" }, history },
});

test("a view is kept under its name, and the same name replaces it", () => {
  const once = withView({ name: "VIP", search: "?tag=vip" })(preferences(undefined));
  const twice = withView({ name: "VIP", search: "?tag=gold" })(once);
  expect(viewsOf(twice)).toEqual([{ name: "VIP", search: "?tag=gold" }]);
  expect(twice.views.live).toEqual({ sort: "newest" });
  expect(viewsOf(withoutView("VIP")(twice))).toEqual([]);
});

test("what was kept and makes no sense any more is not shown", () => {
  const kept = [null, 3, { name: "" }, { name: "a", search: "?nonsense=1" }];
  expect(viewsOf(preferences(kept))).toEqual([]);
  expect(viewsOf(preferences("text"))).toEqual([]);
});

test("the oldest views make room for new ones", () => {
  let known = preferences([]);
  for (let at = 0; at <= MAX_VIEWS; at += 1) {
    known = withView({ name: `v${at}`, search: `?q=${at}` })(known);
  }
  expect(viewsOf(known)).toHaveLength(MAX_VIEWS);
  expect(viewsOf(known)[0]?.name).toBe("v1");
});
