import { afterEach, expect, test, vi } from "vitest";
import { ApiError, request } from "./client";
import { dayLimit } from "./calls";

const answer = (status: number, body?: unknown, headers: Record<string, string> = {}) => {
  const text = body === undefined ? null : typeof body === "string" ? body : JSON.stringify(body);
  const fake = vi.fn<typeof fetch>(() => Promise.resolve(new Response(text, { status, headers })));
  vi.stubGlobal("fetch", fake);
  return fake;
};

async function failure(): Promise<ApiError> {
  try {
    await request("GET", "/api/x");
  } catch (error) {
    if (error instanceof ApiError) return error;
  }
  throw new Error("an ApiError was expected");
}

afterEach(() => {
  vi.unstubAllGlobals();
  document.cookie = "sidetone_csrf=; max-age=0";
});

test("writes prove with the cookie's value that they come from this page", async () => {
  document.cookie = "sidetone_csrf=a%20b";
  const fetched = answer(200, {});
  await request("POST", "/api/x", { body: { a: 1 } });
  const headers = fetched.mock.calls[0]?.[1]?.headers as Headers;
  expect(headers.get("x-csrf-token")).toBe("a b");
  expect(headers.get("content-type")).toBe("application/json");
});

test("reads carry no proof, and empty parameters are left out", async () => {
  const fetched = answer(200, {});
  await request("GET", "/api/x", { query: { q: "a&b", from: "", limit: 50, to: undefined } });
  expect(fetched.mock.calls[0]?.[0]).toBe("/api/x?q=a%26b&limit=50");
  expect((fetched.mock.calls[0]?.[1]?.headers as Headers).has("x-csrf-token")).toBe(false);
});

test("a problem keeps its code and its words", async () => {
  answer(409, { title: "Conflict", detail: "somebody else has it", code: "control_conflict" });
  const error = await failure();
  expect(error).toMatchObject({ status: 409, code: "control_conflict", isTemporary: false });
  expect(error.message).toBe("Somebody else has it.");
});

test("a problem names the fields that are wrong", async () => {
  const errors = [{ field: "slug", message: "is taken" }, { field: 3 }, null];
  answer(422, { code: "validation_failed", detail: "slug: is taken", errors });
  expect([...(await failure()).fields]).toEqual([["slug", "Is taken."]]);
});

test("an error page that is not ours gets words of ours", async () => {
  answer(503, "<html>Bad gateway</html>");
  const error = await failure();
  expect(error.message).not.toContain("<");
  expect(error.isTemporary).toBe(true);
});

test("too many tries say how long to wait", async () => {
  answer(429, {}, { "retry-after": "17" });
  expect((await failure()).retryAfterSeconds).toBe(17);
});

test("a network failure is an error like any other", async () => {
  vi.stubGlobal("fetch", () => Promise.reject(new TypeError("failed to fetch")));
  expect(await failure()).toMatchObject({ status: 0, code: "unreachable", isTemporary: true });
});

test("an answer without content is nothing", async () => {
  answer(204);
  expect(await request("DELETE", "/api/x")).toBeUndefined();
});

test("an answer that is no JSON is an error", async () => {
  answer(200, "<html>");
  expect((await failure()).code).toBe("unreadable");
});

test("a day is a day of the person who chose it", () => {
  const start = dayLimit("2026-10-30", false) ?? "";
  const end = dayLimit("2026-10-30", true) ?? "";
  expect(new Date(start).getHours()).toBe(0);
  expect(Date.parse(end) - Date.parse(start)).toBe(86_400_000 - 1);
  expect(dayLimit("", false)).toBeUndefined();
});
