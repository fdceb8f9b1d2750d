import { QueryClientProvider } from "@tanstack/react-query";
import { act, cleanup, render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, expect, test, vi } from "vitest";
import { useActiveCalls } from "@/api/calls";
import { createQueryClient, keys } from "@/api/query";
import { TooltipProvider } from "@/components/ui/tooltip";
import { callOf } from "@/testing/calls";
import { meOf } from "@/testing/me";
import type { Call } from "@/wire/Call";
import type { RecordingFlag } from "@/wire/RecordingFlag";
import type { Role } from "@/wire/Role";
import { RecordingControl } from "./recording-control";
import { RecordingLight } from "./recording-light";

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
  localStorage.clear();
});

/** A server whose answers to the next act and to the next read of the call are given one by one. */
class Server {
  call: Call;
  readonly acts: { path: string; body: unknown }[] = [];
  #answer: ((response: Response) => void) | undefined;

  constructor(flag: RecordingFlag) {
    this.call = callOf({ recording: flag });
    vi.stubGlobal("fetch", (path: string, init?: RequestInit) => {
      if (init?.method !== "POST") return Promise.resolve(Response.json(this.call));
      this.acts.push({ path, body: JSON.parse(init.body as string) });
      return new Promise<Response>((resolve) => (this.#answer = resolve));
    });
  }

  /** Answers the act with the call, or with a problem. */
  async answer(status: number, flag: RecordingFlag, problem?: unknown): Promise<void> {
    this.call = { ...this.call, recording: flag };
    await act(async () => {
      this.#answer?.(Response.json(problem ?? this.call, { status }));
      await new Promise((resolve) => setTimeout(resolve, 0));
    });
  }
}

function Panel({ role }: { role: Role }) {
  const call = useActiveCalls().data?.[0];
  const me = meOf({ role });
  if (call === undefined) return null;
  return (
    <>
      <RecordingLight call={call} />
      <RecordingControl call={call} me={me} />
    </>
  );
}

function show(flag: RecordingFlag, role: Role = "supervisor"): Server {
  const server = new Server(flag);
  const client = createQueryClient();
  client.setQueryData(keys.activeCalls, [server.call]);
  render(
    <QueryClientProvider client={client}>
      <TooltipProvider>
        <Panel role={role} />
      </TooltipProvider>
    </QueryClientProvider>,
  );
  return server;
}

const lamp = () => screen.getByTestId("recording-light").dataset.lamp;
const press = (name: RegExp) => userEvent.click(screen.getByRole("button", { name }));
const at = new Date().toISOString();
const running: RecordingFlag = { state: "recording", startedAt: at };
const paused: RecordingFlag = { state: "paused", startedAt: at, pausedAt: at, pausedBy: "me" };

test("a pause shows at once that it is under way, and as a pause when it is confirmed", async () => {
  const server = show(running);
  await press(/^Pause$/);
  expect(lamp()).toBe("pausing");
  await server.answer(200, paused);
  await vi.waitFor(() => expect(lamp()).toBe("paused"));
  expect(screen.getByRole("status").textContent).toContain("by you");
  expect(server.acts).toEqual([{ path: `/api/calls/${server.call.id}/recording/pause`, body: {} }]);
});

test("the reason and the chosen time go along, and the time is kept for the next pause", async () => {
  const server = show(running);
  await userEvent.type(screen.getByLabelText("Why it is paused"), " card number ");
  await press(/^How long/);
  await userEvent.click(screen.getByRole("menuitemradio", { name: "For 2 minutes" }));
  await press(/^Pause$/);
  expect(server.acts[0]?.body).toEqual({ reason: "card number", resumeAfterSeconds: 120 });
  cleanup();
  show(running);
  expect(screen.getByRole("button", { name: "How long: For 2 minutes" })).toBeTruthy();
});

test("a pause that ends by itself counts down", () => {
  const resumeAt = new Date(Date.now() + 90_000).toISOString();
  show({ ...paused, resumeAt });
  expect(screen.getByTestId("resumes-in").textContent).toMatch(/^1:(29|30|31)$/);
});

test("a pause that was refused is taken back, with words where it was pressed", async () => {
  const server = show(running);
  await press(/^Pause$/);
  await server.answer(500, running, { detail: "the disk is full", code: "internal" });
  await vi.waitFor(() => expect(lamp()).toBe("recording"));
  expect(screen.getByRole("alert").textContent).toContain("ask the caller to wait");
});

test("an unconfirmed pause promises nothing, and can be pressed again", async () => {
  const server = show(running);
  await press(/^Pause$/);
  const problem = { detail: "no answer", code: "recording_pause_unconfirmed" };
  await server.answer(503, { ...running, pausedAt: at, pausedBy: "me" }, problem);
  await vi.waitFor(() => expect(lamp()).toBe("unconfirmed"));
  expect(screen.getByRole("alert").textContent).toContain("not to read the number yet");
  await press(/^Pause again$/);
  expect(screen.queryByRole("alert")).toBeNull();
  await server.answer(200, paused);
  await vi.waitFor(() => expect(lamp()).toBe("paused"));
});

test("resuming is under way until the server has said so", async () => {
  const server = show(paused);
  await press(/^Resume$/);
  expect(lamp()).toBe("resuming");
  await server.answer(200, running);
  await vi.waitFor(() => expect(lamp()).toBe("recording"));
});

test("who may not act sees the state and nothing to press", () => {
  show(running, "auditor");
  expect(screen.getByRole("status").textContent).toContain("recorded");
  expect(screen.queryByRole("button")).toBeNull();
});

test("a call that is not recorded offers no pause", () => {
  show({ state: "off" });
  expect(lamp()).toBe("off");
  expect(screen.queryByRole("button")).toBeNull();
});
