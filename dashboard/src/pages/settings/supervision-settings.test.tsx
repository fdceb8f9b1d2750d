import { cleanup, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, expect, test, vi } from "vitest";
import { agentOf } from "@/testing/agents";
import { answering, list, refusal, show } from "@/testing/server";
import type { Fallback } from "@/wire/Fallback";
import { SupervisionSettings } from "./supervision-settings";

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const PUT = "PUT /api/supervision/fallback";

function stage(saved: Fallback, answer: unknown = saved) {
  const sent = answering({
    "GET /api/supervision/fallback": saved,
    "GET /api/agents": list(agentOf({ name: "Ann" }), agentOf({ name: "Bob" })),
    [PUT]: answer,
  });
  show(<SupervisionSettings />);
  return sent;
}

const field = (name: string) => screen.findByLabelText<HTMLSelectElement>(name);
const save = () => screen.getByRole("button", { name: "Save" });

test("somebody is chosen to be rung for a supervisor who is lost", async () => {
  const wanted: Fallback = { act: "transfer", to: "user:bob" };
  const sent = stage({ act: "hand_back" }, wanted);
  expect((await field("What is done then")).value).toBe("hand_back");
  expect(screen.queryByLabelText("To")).toBeNull();
  expect(save().hasAttribute("disabled")).toBe(true);
  await userEvent.selectOptions(await field("What is done then"), "Ring somebody");
  await userEvent.selectOptions(await field("Colleague"), "Bob (Available)");
  await userEvent.click(save());
  await screen.findByText("Saved.");
  expect(sent).toEqual([{ act: PUT, body: wanted }]);
  expect(save().hasAttribute("disabled")).toBe(true);
});

test("a number is shown as it was understood, and what is kept besides goes with another act", async () => {
  const kept: Fallback = { act: "transfer", to: "+49301234567" };
  const sent = stage({ act: "end" }, kept);
  await userEvent.selectOptions(await field("What is done then"), "Ring somebody");
  await userEvent.selectOptions(await field("To"), "A telephone");
  expect(save().hasAttribute("disabled")).toBe(true);
  await userEvent.type(await field("Number"), " +49 30 1234567");
  await userEvent.click(save());
  await screen.findByText("Saved.");
  expect((await field("Number")).value).toBe("+49301234567");
  await userEvent.selectOptions(await field("What is done then"), "End the call");
  await userEvent.click(save());
  expect(sent.map(({ body }) => body)).toEqual([
    { act: "transfer", to: "+49 30 1234567" },
    { act: "end" },
  ]);
});

test("what is wrong is said where it is", async () => {
  const errors = [{ field: "to", message: "is neither a number as +49301234567 nor user:<id>" }];
  const no = refusal(422, "validation_failed", "to: is neither a number", errors);
  stage({ act: "transfer", to: "+49301234567" }, no);
  await userEvent.clear(await field("Number"));
  await userEvent.type(await field("Number"), "12");
  await userEvent.click(save());
  expect((await screen.findByRole("alert")).textContent).toMatch(/^Is neither a number/);
  await userEvent.type(await field("Number"), "3");
  expect(screen.queryByRole("alert")).toBeNull();
});

test("somebody who is no agent any more is shown, and stays until another is chosen", async () => {
  stage({ act: "transfer", to: "user:gone" });
  const colleague = await field("Colleague");
  expect(colleague.selectedOptions[0]?.textContent).toBe("Somebody who is no agent now");
  expect(save().hasAttribute("disabled")).toBe(true);
  await userEvent.selectOptions(colleague, "Ann (Available)");
  expect(save().hasAttribute("disabled")).toBe(false);
});
