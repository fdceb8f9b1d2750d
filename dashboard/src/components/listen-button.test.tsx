import { act, cleanup, render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, expect, test } from "vitest";
import { ApiError } from "@/api/client";
import { ListenerContext } from "@/audio/context";
import { Listener } from "@/audio/listener";
import { TooltipProvider } from "@/components/ui/tooltip";
import { callOf } from "@/testing/calls";
import { meOf } from "@/testing/me";
import type { Call } from "@/wire/Call";
import type { Role } from "@/wire/Role";
import { ListenButton } from "./listen-button";

afterEach(cleanup);

/** The button with a listener whose every request the server answers with `refusal`. */
function show(call: Call, role: Role, refusal: ApiError): Listener {
  const refuse = () => Promise.reject(refusal);
  const listener = new Listener({
    listen: refuse,
    unlisten: refuse,
    connect: refuse,
    openFeed: () => {
      throw new Error("nothing can be heard here");
    },
    output: {
      unlock: () => Promise.resolve(),
      attach: () => {
        throw new Error("nothing can be heard here");
      },
    },
  });
  const me = meOf({ role });
  render(
    <TooltipProvider>
      <ListenerContext value={listener}>
        <ListenButton call={call} me={me} />
      </ListenerContext>
    </TooltipProvider>,
  );
  return listener;
}

const refusal = new ApiError(409, "call_not_live", "No gateway holds this call.");

test("a refusal appears where it was pressed, and can be tried again", async () => {
  show(callOf(), "supervisor", refusal);
  await userEvent.click(screen.getByRole("button"));
  expect((await screen.findByRole("alert")).textContent).toBe("No gateway holds this call.");
  expect(screen.getByRole("button").textContent).toBe("Retry");
});

test("who may not listen cannot press it", async () => {
  const listener = show(callOf(), "auditor", refusal);
  const button = screen.getByRole("button");
  expect(button.getAttribute("aria-disabled")).toBe("true");
  await userEvent.click(button);
  expect(listener.calls()).toEqual([]);
});

test("an upstream without audio cannot be listened to", () => {
  show(callOf({ capabilities: [] }), "admin", refusal);
  expect(screen.getByRole("button").getAttribute("aria-disabled")).toBe("true");
});

test("an ended call offers nothing to press", () => {
  show(callOf({ status: "ended" }), "admin", refusal);
  expect(screen.queryByRole("button")).toBeNull();
});

test("names of callers are text, never HTML", async () => {
  const name = '<img src=x onerror="alert(1)">';
  const listener = show(callOf({ customerName: name }), "admin", refusal);
  expect(screen.getByRole("button").getAttribute("aria-label")).toBe(`Listen to ${name}`);
  await act(() => listener.listen("elsewhere"));
  expect(document.querySelector("img")).toBeNull();
});
