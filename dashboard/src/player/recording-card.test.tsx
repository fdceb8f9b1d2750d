import { QueryClientProvider } from "@tanstack/react-query";
import { cleanup, render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, expect, test, vi } from "vitest";
import { createQueryClient } from "@/api/query";
import { TooltipProvider } from "@/components/ui/tooltip";
import { callOf } from "@/testing/calls";
import { recordingOf } from "@/testing/recordings";
import { meOf } from "@/testing/me";
import type { Recording } from "@/wire/Recording";
import type { Role } from "@/wire/Role";
import RecordingCard from "./recording-card";

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

function show(over: Partial<Recording>, role: Role = "admin", answers: Response[] = []) {
  const sent: unknown[] = [];
  vi.stubGlobal("fetch", (path: string, init?: RequestInit) => {
    if (init?.method === "DELETE" || init?.method === "PUT") {
      const body = typeof init.body === "string" ? (JSON.parse(init.body) as unknown) : undefined;
      sent.push([init.method, path, body]);
      return Promise.resolve(answers.shift() ?? new Response(null, { status: 204 }));
    }
    return Promise.resolve(new Response(null, { status: 404 }));
  });
  const me = meOf({ role });
  render(
    <QueryClientProvider client={createQueryClient()}>
      <TooltipProvider>
        <RecordingCard
          recording={recordingOf(over)}
          call={callOf({ customerName: "Ada" })}
          me={me}
          primary
        />
      </TooltipProvider>
    </QueryClientProvider>,
  );
  return sent;
}

const menu = () => userEvent.click(screen.getByRole("button", { name: /^More/ }));

test("a recording that is not in the store says that it is safe and on its way", () => {
  show({ state: "sealed" });
  expect(document.body.textContent).toContain("On its way to the store");
  expect(screen.queryByTestId("player")).toBeNull();
});

test("a failed recording says why, an erased one that nothing can be read any more", () => {
  show({ state: "failed", error: "the disk was full" });
  expect(document.body.textContent).toContain("failed. The disk was full.");
  cleanup();
  show({ state: "erased", erasedAt: "2026-10-30T12:00:00.000Z" });
  expect(document.body.textContent).toContain("not even in a backup");
  expect(screen.queryByRole("button", { name: /^More/ })).toBeNull();
});

test("erasing names what goes, and is sent only after it was confirmed", async () => {
  const sent = show({ state: "failed", durationSeconds: 75 });
  await menu();
  await userEvent.click(screen.getByRole("menuitem", { name: "Erase…" }));
  expect(screen.getByRole("dialog").textContent).toContain("1:15 with Ada");
  expect(sent).toEqual([]);
  await userEvent.click(screen.getByRole("button", { name: "Erase for good" }));
  expect(sent).toEqual([["DELETE", "/api/recordings/recording", undefined]]);
  await vi.waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
});

test("a hold that the page did not know of stops the erasure in words", async () => {
  const held = Response.json({ code: "legal_hold", detail: "held" }, { status: 409 });
  show({ state: "failed" }, "admin", [held]);
  await menu();
  await userEvent.click(screen.getByRole("menuitem", { name: "Erase…" }));
  await userEvent.click(screen.getByRole("button", { name: "Erase for good" }));
  expect((await screen.findByRole("alert")).textContent).toContain("nothing was erased");
});

test("what is held cannot be erased, and is let go only with a reason", async () => {
  const sent = show({ state: "failed", legalHold: true });
  await menu();
  const erase = screen.getByRole("menuitem", { name: /cannot be erased/ });
  expect(erase.getAttribute("aria-disabled")).toBe("true");
  await userEvent.click(screen.getByRole("menuitem", { name: "Lift the legal hold…" }));
  const lift = screen.getByRole("button", { name: "Lift the hold" });
  expect((lift as HTMLButtonElement).disabled).toBe(true);
  await userEvent.type(screen.getByLabelText("Reason, for the audit log"), "case closed");
  await userEvent.click(lift);
  const body = { held: false, reason: "case closed" };
  expect(sent).toEqual([["PUT", "/api/recordings/recording/hold", body]]);
});

test("only an admin may erase or hold", () => {
  show({ state: "failed" }, "supervisor");
  expect(screen.queryByRole("button", { name: /^More/ })).toBeNull();
});
