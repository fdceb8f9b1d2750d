import { cleanup, fireEvent, screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, expect, test, vi } from "vitest";
import { ListenerContext, TalkerContext } from "@/audio/context";
import { Listener } from "@/audio/listener";
import { Talker } from "@/audio/talker";
import { callOf } from "@/testing/calls";
import { meOf } from "@/testing/me";
import { show } from "@/testing/render";
import type { Call } from "@/wire/Call";
import type { Capability } from "@/wire/Capability";
import type { Role } from "@/wire/Role";
import { CallTile } from "./call-tile";

vi.mock("@/realtime/context", () => ({ useStream: () => undefined }));

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const ALL: Capability[] = ["listen", "whisper_text", "whisper_voice", "takeover", "hand_back"];

/** Tiles of these calls, of which the first one has the keys. */
function stage(calls: readonly Call[], role: Role = "supervisor") {
  const told: string[] = [];
  const say =
    (what: string) =>
    (callId: string): Promise<never> => {
      told.push(`${what} ${callId}`);
      return new Promise(() => undefined);
    };
  const listener = new Listener({
    listen: () => new Promise(() => undefined),
    unlisten: () => Promise.resolve(),
    connect: () => new Promise(() => undefined),
    openFeed: () => ({ close: () => undefined }),
    output: {
      unlock: () => Promise.resolve(),
      attach: () => {
        throw new Error("nothing is to be heard here");
      },
    },
  });
  const talker = new Talker({
    ears: listener,
    open: () => {
      told.push("open");
      return new Promise(() => undefined);
    },
    talk: say("talk"),
    takeOver: say("takeover"),
    handBack: say("handback"),
    show: () => undefined,
  });
  const pinned = vi.fn();
  const { sent } = show(
    <ListenerContext value={listener}>
      <TalkerContext value={talker}>
        {calls.map((call, at) => (
          <CallTile
            key={call.id}
            call={call}
            me={meOf({ id: "me", role })}
            selected={at === 0}
            keyed={at === 0}
            pinned={false}
            onPin={pinned}
            onOpen={() => undefined}
          />
        ))}
      </TalkerContext>
    </ListenerContext>,
    {
      "GET /api/whisper-pills": () =>
        Response.json({ items: [{ text: "Offer ten percent.", label: "10 %" }], nextCursor: null }),
      [`POST /api/calls/${calls[0]?.id ?? ""}/whisper`]: (body) =>
        Response.json({ id: "a", callId: calls[0]?.id, kind: "whisper_pill", ...(body as object) }),
    },
  );
  const tiles = screen.getAllByTestId("call-tile");
  return { told, sent, pinned, tiles };
}

const tile = (tiles: readonly HTMLElement[], at: number) => within(tiles[at] as HTMLElement);

test("the chosen tile alone has the keys", async () => {
  const calls = ["Cleo", "Dora"].map((customerName) => callOf({ customerName, capabilities: ALL }));
  stage(calls);
  fireEvent.keyDown(document.body, { key: "t" });
  const dialogs = await screen.findAllByRole("dialog");
  expect(dialogs).toHaveLength(1);
  expect(dialogs[0]?.textContent).toContain("Cleo hears you");
});

test("W whispers in the chosen tile's call", async () => {
  const { told, tiles } = stage([callOf({ capabilities: ALL }), callOf({ capabilities: ALL })]);
  fireEvent.keyDown(document.body, { key: "w" });
  await vi.waitFor(() => expect(told).toEqual(["open"]));
  expect(tile(tiles, 0).getByTestId("console-status").textContent).toContain("microphone");
  expect(tile(tiles, 1).queryByTestId("console-status")).toBeNull();
});

test("any tile's call is taken over after a question", async () => {
  const { tiles } = stage([callOf({ capabilities: ALL }), callOf({ capabilities: ALL })]);
  await userEvent.click(tile(tiles, 1).getByRole("button", { name: "Take over" }));
  expect(await screen.findByRole("dialog", { name: "Take the call over?" })).toBeTruthy();
});

test("a quick message is sent from the tile, and it says so", async () => {
  const call = callOf({ capabilities: ALL });
  const { sent, tiles } = stage([call]);
  await vi.waitFor(() =>
    expect(
      tile(tiles, 0).getByRole("button", { name: "Message" }).getAttribute("aria-haspopup"),
    ).toBe("menu"),
  );
  await userEvent.click(tile(tiles, 0).getByRole("button", { name: "Message" }));
  await userEvent.click(await screen.findByRole("menuitem", { name: "10 %" }));
  await vi.waitFor(() => expect(tile(tiles, 0).getByText("Sent")).toBeTruthy());
  expect(sent).toEqual([["POST", `/api/calls/${call.id}/whisper`, { text: "Offer ten percent." }]]);
});

test("a message that was refused says so in its tile", async () => {
  const { tiles } = stage([callOf(), callOf({ id: "second", capabilities: ALL })]);
  const second = tile(tiles, 1);
  await vi.waitFor(() =>
    expect(second.getByRole("button", { name: "Message" }).getAttribute("aria-haspopup")).toBe(
      "menu",
    ),
  );
  await userEvent.click(second.getByRole("button", { name: "Message" }));
  await userEvent.click(await screen.findByRole("menuitem", { name: "10 %" }));
  expect((await second.findByRole("alert")).textContent).toContain("the agent has it");
});

test("who may not supervise finds no acts, and may pin all the same", async () => {
  const { pinned, tiles } = stage([callOf({ id: "one", customerName: "Cleo" })], "auditor");
  expect(tile(tiles, 0).queryByRole("button", { name: "Take over" })).toBeNull();
  await userEvent.click(tile(tiles, 0).getByRole("button", { name: "Pin Cleo" }));
  expect(pinned).toHaveBeenCalledWith("one");
});
