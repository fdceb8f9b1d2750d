import { act, cleanup, fireEvent, screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, expect, test, vi } from "vitest";
import { ApiError } from "@/api/client";
import { ListenerContext, TalkerContext } from "@/audio/context";
import { Listener } from "@/audio/listener";
import { Talker } from "@/audio/talker";
import { callOf } from "@/testing/calls";
import { meOf } from "@/testing/me";
import { show } from "@/testing/render";
import type { Call } from "@/wire/Call";
import type { Capability } from "@/wire/Capability";
import type { Control } from "@/wire/Control";
import type { Role } from "@/wire/Role";
import { Console } from "./console";

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const ALL: Capability[] = [
  "listen",
  "whisper_text",
  "whisper_voice",
  "barge",
  "takeover",
  "hand_back",
  "mute_agent",
  "mute_customer",
  "end",
];

/** The console of a call, with a microphone and a room that work. */
function stage(over: Partial<Call> = {}, role: Role = "supervisor") {
  const told: string[] = [];
  const answers = {
    open: () => Promise.resolve(),
    takeOver: (): Promise<Control> =>
      Promise.resolve({ holder: "supervisor:me", holderName: "Me", since: "", version: 1 }),
  };
  const call = callOf({ capabilities: ALL, customerName: "Cleo", agentName: "Ava", ...over });
  const listener = new Listener({
    listen: () =>
      Promise.resolve({
        expiresAt: "",
        livekit: { url: "", token: "", room: "r", tracks: [] },
        listenProxyUrl: null,
      }),
    unlisten: () => Promise.resolve(),
    openFeed: () => {
      throw new Error("nothing is to be heard here");
    },
    connect: (_grant, events) =>
      Promise.resolve({
        want: () => undefined,
        leave: () => undefined,
        speak: (track) => events.onMicrophone(track !== undefined),
      }),
    output: {
      unlock: () => Promise.resolve(),
      attach: () => {
        throw new Error("nothing is to be heard here");
      },
    },
  });
  const talker = new Talker({
    ears: listener,
    open: async () => {
      await answers.open();
      return {
        track: {} as MediaStreamTrack,
        setAudible: () => undefined,
        level: () => 0,
        onLost: () => undefined,
        close: () => undefined,
      };
    },
    talk: (_callId, mode) => {
      told.push(mode);
      return Promise.resolve();
    },
    takeOver: (_callId, irreversible) => {
      told.push(irreversible ? "takeover for good" : "takeover");
      return answers.takeOver();
    },
    handBack: () => {
      told.push("handback");
      return Promise.resolve({ holder: "agent", since: "", version: 2 });
    },
    show: () => undefined,
  });
  talker.follow();
  const content = (
    <ListenerContext value={listener}>
      <TalkerContext value={talker}>
        <Console call={call} me={meOf({ id: "me", role })} />
      </TalkerContext>
    </ListenerContext>
  );
  const path = `/api/calls/${call.id}`;
  const { sent } = show(content, {
    [`POST ${path}/mute`]: () => Response.json({ ...call, muted: ["agent"] }),
    [`POST ${path}/end`]: () =>
      Response.json({ code: "gateway_timeout", detail: "x" }, { status: 504 }),
    [`POST ${path}/whisper`]: (body) =>
      Response.json({ id: "a", callId: call.id, kind: "whisper_pill", ...(body as object) }),
    [`POST ${path}/takeover`]: () =>
      Response.json({ code: "forwarding_number_missing", detail: "x" }, { status: 409 }),
    "GET /api/whisper-pills": () =>
      Response.json({ items: [{ text: "Offer ten percent.", label: "10 %" }], nextCursor: null }),
  });
  return { call, told, answers, sent };
}

const button = (name: string | RegExp) => screen.getByRole("button", { name });
const status = () => screen.getByTestId("console-status").textContent;

test("W whispers for as long as it is held, and no longer than the window is there", async () => {
  const { told } = stage();
  fireEvent.keyDown(document.body, { key: "w" });
  fireEvent.keyDown(document.body, { key: "w", repeat: true });
  await vi.waitFor(() => expect(status()).toContain("only the agent hears you"));
  fireEvent.keyUp(document.body, { key: "w" });
  await vi.waitFor(() => expect(told).toEqual(["armed", "whisper", "armed"]));
  fireEvent.keyDown(document.body, { key: "w" });
  await vi.waitFor(() => expect(told.at(-1)).toBe("whisper"));
  fireEvent.blur(window);
  await vi.waitFor(() => expect(told.at(-1)).toBe("armed"));
});

test("T asks first, and takes the call over with an armed microphone", async () => {
  const { told } = stage();
  fireEvent.keyDown(document.body, { key: "t" });
  const dialog = await screen.findByRole("dialog", { name: "Take the call over?" });
  expect(dialog.textContent).toContain("Cleo hears you in place of Ava");
  expect(told).toEqual([]);
  await userEvent.click(button("Take over"));
  await vi.waitFor(() => expect(told).toEqual(["armed", "takeover"]));
  await vi.waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
});

test("who was slower reads who was faster, where it was confirmed", async () => {
  const { answers } = stage();
  answers.takeOver = () =>
    Promise.reject(new ApiError(409, "control_conflict", "Ada Lovelace has the call."));
  await userEvent.click(button("Take over"));
  await userEvent.click(button("Take over"));
  const dialog = await screen.findByRole("dialog");
  await vi.waitFor(() =>
    expect(dialog.querySelector("[role=alert]")?.textContent).toMatch(/Ada Lovelace was faster/),
  );
});

test("a refused microphone says what to do, and nothing was done", async () => {
  const { answers, told } = stage();
  answers.open = () => Promise.reject(new DOMException("no", "NotAllowedError"));
  await userEvent.click(button("Arm the microphone"));
  await vi.waitFor(() => expect(status()).toContain("Allow it for this page"));
  expect(told).toEqual([]);
});

test("what cannot be done now is there, and cannot be pressed", async () => {
  const { told, sent } = stage({ capabilities: ["listen", "barge"] });
  for (const name of ["Whisper", "Take over", /^Mute agent/, "End call", "Send"]) {
    expect(button(name).getAttribute("aria-disabled")).toBe("true");
    await userEvent.click(button(name));
  }
  fireEvent.keyDown(document.body, { key: "w" });
  fireEvent.keyDown(document.body, { key: "t" });
  expect(screen.queryByRole("dialog")).toBeNull();
  expect(told).toEqual([]);
  expect(sent).toEqual([]);
});

test("another supervisor's call says whose it is, and cannot be taken", () => {
  const control = { holder: "supervisor:ada", holderName: "Ada", since: "", version: 3 };
  stage({ control });
  expect(status()).toBe("Ada has the call.");
  expect(button("Take over").getAttribute("aria-disabled")).toBe("true");
});

test("an admin may hand a colleague's call back, and not by a slip of the finger", async () => {
  const control = { holder: "supervisor:ada", holderName: "Ada", since: "", version: 3 };
  const { told } = stage({ control }, "admin");
  fireEvent.keyDown(document.body, { key: "h" });
  expect(told).toEqual([]);
  await userEvent.click(button("Hand back"));
  expect(told).toEqual(["handback"]);
});

test("a call one has is handed back with H", async () => {
  const control = { holder: "supervisor:me", holderName: "Me", since: "", version: 3 };
  const { told } = stage({ control });
  expect(button("Hand back")).toBeTruthy();
  fireEvent.keyDown(document.body, { key: "h" });
  await vi.waitFor(() => expect(told).toEqual(["handback"]));
});

test("a party is muted for everybody, and an end is confirmed and stays open if it failed", async () => {
  const { sent, call } = stage();
  await userEvent.click(button(/^Mute agent/));
  await userEvent.click(button("End call"));
  expect(sent.map(([, path]) => path)).toEqual([`/api/calls/${call.id}/mute`]);
  expect(sent[0]?.[2]).toEqual({ party: "agent", muted: true });
  await userEvent.click(button("End call"));
  const alert = await screen.findByRole("alert");
  await act(() => Promise.resolve());
  expect(alert.textContent).toContain("The call goes on.");
});

test("the agent is written to in one's own words, and with a quick message", async () => {
  const { sent } = stage();
  const field = screen.getByLabelText<HTMLInputElement>("Write to the agent");
  await userEvent.type(field, " Slow down. {Enter}");
  await vi.waitFor(() => expect(field.value).toBe(""));
  expect(screen.getByTestId("written").textContent).toBe("The agent has it: Slow down.");
  await userEvent.click(await screen.findByRole("button", { name: "10 %" }));
  await vi.waitFor(() => expect(sent.length).toBe(2));
  expect(sent.map(([, , body]) => body)).toEqual([
    { text: "Slow down." },
    { text: "Offer ten percent." },
  ]);
});

test("what the API says is missing is what one reads, and who watches is named", () => {
  const incapable = { whisper_text: "Nobody is in the call yet." };
  const watchers = [{ userId: "ada", name: "Ada", mode: "whisper" as const }];
  stage({ capabilities: ["listen"], incapable, watchers });
  expect(screen.getByPlaceholderText("Nobody is in the call yet.")).toBeTruthy();
  expect(screen.getByTestId("watching").textContent).toBe("Watching: Ada whispers");
});

test("a call at a vendor is taken over by telephone, and says what is missing for it", async () => {
  const { told, sent, call } = stage({ upstream: "vapi" });
  await userEvent.click(button("Take over"));
  const dialog = await screen.findByRole("dialog", { name: "Take the call over?" });
  expect(dialog.textContent).toContain("Vapi sends Cleo to your forwarding number");
  await userEvent.click(button("Take over"));
  await vi.waitFor(() =>
    expect(dialog.querySelector("[role=alert]")?.textContent).toContain("Set your forwarding"),
  );
  expect(told).toEqual([]);
  expect(sent.map(([, path]) => path)).toEqual([`/api/calls/${call.id}/takeover`]);
});

test("in a word with whom the call is to go to, one reads who hears whom, and can still end it", () => {
  const by = { userId: "me", name: "Me" };
  const at = { id: "t", mode: "attended", stage: "talking", kind: "user", name: "Ada" } as const;
  stage({ transfer: { ...at, by, since: "" } });
  expect(status()).toBe(
    "You talk with Ada. The customer hears neither of you. The agent has the call.",
  );
  const acts = within(screen.getByTestId("transfer")).getAllByRole("button");
  expect(acts.map(({ textContent }) => textContent)).toEqual([
    "Go back",
    "Give the call",
    "End call",
  ]);
});

test("where there is no way back one is told so, and the microphone comes before anything is done", async () => {
  const { told, answers } = stage({ upstream: "retell" });
  await userEvent.click(button("Take over"));
  const dialog = await screen.findByRole("dialog", { name: "Take the call over?" });
  expect(dialog.textContent).toContain("Retell ends Ava's part for good");
  expect(dialog.textContent).toContain("cannot be handed back");
  answers.open = () => Promise.reject(new DOMException("no", "NotAllowedError"));
  await userEvent.click(button("Take over for good"));
  await vi.waitFor(() =>
    expect(dialog.querySelector("[role=alert]")?.textContent).toContain("Allow it for this page"),
  );
  expect(told).toEqual([]);
  answers.open = () => Promise.resolve();
  await userEvent.click(button("Take over for good"));
  await vi.waitFor(() => expect(told).toEqual(["armed", "takeover for good"]));
  await vi.waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
});

test("every name contains what is seen", () => {
  stage();
  for (const each of screen.getAllByRole("button")) {
    const name = each.getAttribute("aria-label") ?? each.textContent;
    expect(name).toContain(each.textContent);
  }
});
