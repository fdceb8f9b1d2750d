import { QueryClientProvider } from "@tanstack/react-query";
import { cleanup, render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, expect, test, vi } from "vitest";
import { createQueryClient } from "@/api/query";
import { callOf } from "@/testing/calls";
import { meOf } from "@/testing/me";
import type { Role } from "@/wire/Role";
import { ConsentControl } from "./consent-control";

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

function show(answer: Response, role: Role = "supervisor") {
  const sent: unknown[] = [];
  vi.stubGlobal("fetch", (path: string, init: RequestInit) => {
    sent.push([init.method, path, JSON.parse(init.body as string)]);
    return Promise.resolve(answer);
  });
  const call = callOf({ consent: "unknown", customerName: "Ada" });
  const me = meOf({ role });
  render(
    <QueryClientProvider client={createQueryClient()}>
      <ConsentControl call={call} me={me} />
    </QueryClientProvider>,
  );
  return { sent, path: `/api/calls/${call.id}/consent` };
}

async function choose(name: string) {
  await userEvent.click(screen.getByRole("button", { name: /^Consent/ }));
  await userEvent.click(screen.getByRole("menuitemradio", { name }));
}

const done = () => new Response(null, { status: 204 });

test("granting is noted at once", async () => {
  const { sent, path } = show(done());
  await choose("Granted");
  expect(sent).toEqual([["PUT", path, { consent: "granted" }]]);
});

test("a refusal erases, so it says what happens to whom before anything is sent", async () => {
  const { sent, path } = show(done());
  await choose("Denied…");
  expect(sent).toEqual([]);
  expect(screen.getByRole("dialog").textContent).toContain("with Ada stops for good");
  await userEvent.click(screen.getByRole("button", { name: "Stop and erase" }));
  expect(sent).toEqual([["PUT", path, { consent: "denied" }]]);
  await vi.waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
});

test("changing one's mind sends nothing", async () => {
  const { sent } = show(done());
  await choose("Denied…");
  await userEvent.click(screen.getByRole("button", { name: "Cancel" }));
  expect(sent).toEqual([]);
});

test("a gateway that does not confirm is told where it was pressed, and nothing closes", async () => {
  const problem = { code: "recording_stop_unconfirmed", detail: "no answer", status: 503 };
  show(Response.json(problem, { status: 503 }));
  await choose("Denied…");
  await userEvent.click(screen.getByRole("button", { name: "Stop and erase" }));
  expect((await screen.findByRole("alert")).textContent).toContain("has not confirmed");
  expect(screen.getByRole("dialog")).toBeTruthy();
});

test("who may not act reads it", () => {
  show(done(), "auditor");
  expect(screen.queryByRole("button")).toBeNull();
  expect(document.body.textContent).toBe("Unknown");
});
