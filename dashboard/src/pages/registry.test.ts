import { expect, test } from "vitest";
import { meOf } from "@/testing/me";
import type { Role } from "@/wire/Role";
import { pageAt, PAGES, pagesFor } from "./registry";

const me = (role: Role) => meOf({ role });

test("every page has an address and a key of its own", () => {
  const unique = (values: readonly string[]) => new Set(values).size === values.length;
  expect(unique(PAGES.map(({ to }) => to))).toBe(true);
  expect(unique(PAGES.map(({ key }) => key))).toBe(true);
  expect(PAGES.every(({ key }) => /^[a-z]$/.test(key))).toBe(true);
});

test("what stands behind a page's address belongs to it, and nothing else does", () => {
  expect(pageAt("/history/some-call")?.name).toBe("History");
  expect(pageAt("/historyless")).toBeUndefined();
});

test("agents see no page that they may not", () => {
  const names = (role: Role) => pagesFor(me(role)).map(({ name }) => name);
  expect(names("agent")).not.toContain("Settings");
  expect(names("auditor")).toContain("Recordings");
  expect(names("admin")).toHaveLength(PAGES.length);
});
