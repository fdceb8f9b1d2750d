import { cleanup, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { side } from "@/audio/side";
import { callOf } from "@/testing/calls";
import { meOf } from "@/testing/me";
import { show } from "@/testing/render";
import type { Call } from "@/wire/Call";
import type { Transfer as Moved } from "@/wire/Transfer";
import { Transfer, useMoving } from "./transfer";

let join = vi.fn<typeof side.join>();

beforeEach(() => {
  join = vi.spyOn(side, "join").mockResolvedValue(true);
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

const moved = (over: Partial<Moved> = {}): Moved => ({
  id: "t",
  mode: "attended",
  stage: "ringing",
  kind: "number",
  number: "+49301234567",
  by: { userId: "me", name: "Me" },
  since: "",
  ...over,
});

const agent = (userId: string, name: string) => ({
  userId,
  username: userId,
  name,
  role: "agent",
  status: "Available",
});

const me = meOf({ id: "me", role: "supervisor" });

function Row({ call }: { call: Call }) {
  const moving = useMoving(call, me);
  return (
    <>
      <Transfer call={call} me={me} moving={moving} />
      <p role={moving.error === undefined ? "status" : "alert"}>{moving.error ?? moving.text}</p>
    </>
  );
}

function stage(over: Partial<Call> = {}, answer?: () => Response) {
  const call = callOf({ capabilities: ["transfer"], customerName: "Cleo", ...over });
  const path = `/api/calls/${call.id}/transfer`;
  const { sent } = show(<Row call={call} />, {
    "GET /api/agents": () =>
      Response.json({ items: [agent("me", "Me"), agent("ann", "Ann")], nextCursor: null }),
    [`POST ${path}`]: answer ?? (() => Response.json(call)),
    [`POST ${path}/complete`]: () => Response.json({ control: call.control }),
    [`DELETE ${path}`]: () => Response.json(call),
  });
  return { call, sent, path };
}

const button = (name: string | RegExp) => screen.getByRole("button", { name });

test(
  "a colleague is rung after being chosen, and talked to from this page",
  { timeout: 30_000 },
  async () => {
    const { call, sent, path } = stage();
    await userEvent.click(button("Transfer"));
    await screen.findByRole("option", { name: "Ann (Available)" }, { timeout: 15_000 });
    await userEvent.selectOptions(screen.getByLabelText("To"), "colleague");
    expect(screen.queryByRole("option", { name: /^Me/ })).toBeNull();
    await userEvent.click(button("Ring"));
    await waitFor(() => expect(join).toHaveBeenCalledWith(call.id));
    expect(sent).toEqual([["POST", path, { to: "user:ann", mode: "attended" }]]);
    expect(screen.queryByRole("dialog")).toBeNull();
  },
);

test("a number is sent to at once, with nobody's microphone", async () => {
  const { sent, path } = stage();
  await userEvent.click(button("Transfer"));
  await userEvent.selectOptions(screen.getByLabelText("How"), "blind");
  await userEvent.selectOptions(screen.getByLabelText("To"), "number");
  await userEvent.type(screen.getByLabelText("Number or SIP address"), " +49301234567 ");
  const dialog = within(screen.getByRole("dialog"));
  await userEvent.click(dialog.getByRole("button", { name: "Transfer" }));
  await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
  expect(sent).toEqual([["POST", path, { to: "+49301234567", mode: "blind" }]]);
  expect(join).not.toHaveBeenCalled();
});

test("a transfer that is refused says what to do, and the dialog stays", async () => {
  stage({}, () => Response.json({ code: "trunk_missing", detail: "x" }, { status: 409 }));
  await userEvent.click(button("Transfer"));
  await userEvent.selectOptions(screen.getByLabelText("To"), "number");
  await userEvent.type(screen.getByLabelText("Number or SIP address"), "+49301234567");
  await userEvent.click(button("Ring"));
  expect((await screen.findByRole("alert")).textContent).toContain("LIVEKIT_SIP_TRUNK_ID");
  expect(join).not.toHaveBeenCalled();
});

test("who rings somebody can go back, and gives the call once they have answered", async () => {
  const { sent, path } = stage({ transfer: moved() });
  const give = () => button("Give the call");
  expect(give().getAttribute("aria-disabled")).toBe("true");
  expect(screen.getByRole("status").textContent).toContain("Ringing +49301234567");
  await userEvent.click(button("Go back"));
  await waitFor(() => expect(sent).toEqual([["DELETE", path, undefined]]));
  cleanup();
  const talking = stage({ transfer: moved({ stage: "talking" }) });
  expect(give().getAttribute("aria-disabled")).toBeNull();
  await userEvent.click(give());
  await waitFor(() =>
    expect(talking.sent).toEqual([["POST", `${talking.path}/complete`, undefined]]),
  );
});

test("others read who transfers, and cannot do it too; afterwards everybody reads how it went", () => {
  stage({ transfer: moved({ by: { userId: "sue", name: "Sue" } }) });
  expect(button("Transfer").getAttribute("aria-disabled")).toBe("true");
  expect(screen.getByRole("status").textContent).toBe("Sue is ringing +49301234567.");
  cleanup();
  stage({ transfer: moved({ stage: "refused", reason: "the other side declined (SIP 486)" }) });
  expect(button("Transfer").getAttribute("aria-disabled")).toBeNull();
  expect(screen.getByRole("status").textContent).toContain("declined (SIP 486).");
});

test("a word that this page could not join can be joined again, and the call still be given", async () => {
  const failed = { callId: "c", phase: "failed" as const, error: "The microphone is in use." };
  vi.spyOn(side, "state").mockReturnValue(failed);
  const { call } = stage({ id: "c", transfer: moved({ stage: "talking" }) });
  expect(screen.getByRole("alert").textContent).toBe(failed.error);
  expect(button("Give the call").getAttribute("aria-disabled")).toBeNull();
  await userEvent.click(button("Talk here"));
  expect(join).toHaveBeenCalledWith(call.id);
});
