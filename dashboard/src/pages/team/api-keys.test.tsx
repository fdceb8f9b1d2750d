import { cleanup, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, expect, test, vi } from "vitest";
import { meOf } from "@/testing/people";
import { answering, list, show } from "@/testing/server";
import type { ApiKey } from "@/wire/ApiKey";
import { ApiKeys } from "./api-keys";

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const crm: ApiKey = {
  id: "k",
  name: "CRM",
  role: "agent",
  hint: "stk_AbCd",
  createdBy: "me",
  createdAt: "2026-10-30T12:00:00.000Z",
};

test("a key is shown once, and gone when its dialog is closed", async () => {
  const secret = "stk_AbCdEfGhIjKl";
  const sent = answering({
    "GET /api/api-keys": list(crm),
    "POST /api/api-keys": { ...crm, key: secret },
  });
  show(<ApiKeys me={meOf()} />);
  await userEvent.click(await screen.findByRole("button", { name: "Make a key" }));
  await userEvent.type(screen.getByLabelText("What it is for"), "CRM");
  await userEvent.selectOptions(screen.getByLabelText("Ends by itself"), "Never");
  await userEvent.click(screen.getByRole("button", { name: "Make the key" }));
  await screen.findByText(secret);
  expect(sent[0]?.body).toEqual({ name: "CRM", role: "agent" });
  await userEvent.click(screen.getByRole("button", { name: "I have kept it" }));
  expect(document.body.textContent).not.toContain(secret);
});

test("revoking asks once, and says whom it hits", async () => {
  const sent = answering({ "GET /api/api-keys": list(crm), "DELETE /api/api-keys/k": null });
  show(<ApiKeys me={meOf()} />);
  await userEvent.click(await screen.findByRole("button", { name: "Revoke CRM" }));
  expect(screen.getByRole("dialog").textContent).toContain("refused at once");
  expect(sent).toEqual([]);
  await userEvent.click(screen.getByRole("button", { name: "Revoke" }));
  await vi.waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
  expect(sent).toEqual([{ act: "DELETE /api/api-keys/k", body: undefined }]);
});

test("a key whose time is over cannot be revoked again", async () => {
  answering({
    "GET /api/api-keys": list({ ...crm, expiresAt: "2020-01-01T00:00:00.000Z" }),
  });
  show(<ApiKeys me={meOf()} />);
  await screen.findByText("Expired");
  expect(screen.queryByRole("button", { name: /^Revoke/ })).toBeNull();
});
