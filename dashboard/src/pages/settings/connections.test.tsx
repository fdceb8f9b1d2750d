import { cleanup, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, expect, test, vi } from "vitest";
import { answering, list, refusal, show } from "@/testing/server";
import type { Connection } from "@/wire/Connection";
import { Connections } from "./connections";

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const retell: Connection = {
  id: "c",
  clientId: "t",
  kind: "retell",
  name: "Support",
  hasCredentials: true,
  webhook: { scheme: "retell" },
  hasSecret: true,
  settings: {},
  webhookUrl: "https://calls.example.com/api/webhooks/retell/default",
  createdAt: "2026-10-30T12:00:00.000Z",
  updatedAt: "2026-10-30T12:00:00.000Z",
};

test("an account is added with its secrets, and its webhook's address can be copied", async () => {
  const kept: Connection[] = [];
  const sent = answering({
    "GET /api/connections": () => list(...kept),
    "POST /api/connections": () => kept.push(retell) && retell,
  });
  show(<Connections />);
  await screen.findByText("No connections");
  const [add] = screen.getAllByRole("button", { name: "Add a connection" });
  await userEvent.click(add ?? document.body);
  await userEvent.selectOptions(screen.getByLabelText("Vendor"), "Retell");
  await userEvent.type(screen.getByLabelText("Name"), "Support");
  await userEvent.type(screen.getByLabelText("API key"), "key_1");
  await userEvent.type(screen.getByLabelText("Secret"), "key_badge");
  await userEvent.click(screen.getByRole("button", { name: "Add" }));
  await screen.findByText(retell.webhookUrl ?? "");
  expect(sent[0]?.body).toEqual({
    kind: "retell",
    name: "Support",
    credentials: { apiKey: "key_1" },
    webhook: { scheme: "retell", secret: "key_badge" },
  });
});

test("an account whose vendor brings streams shows where, for either direction", async () => {
  const streams = "wss://calls.example.com/streams/twilio";
  const streamUrls = { inbound: `${streams}/sts_in`, outbound: `${streams}/sts_out` };
  const twilio: Connection = { ...retell, kind: "twilio", webhook: { scheme: "none" }, streamUrls };
  answering({ "GET /api/connections": list(twilio) });
  show(<Connections />);
  await screen.findByText(streamUrls.inbound);
  expect(screen.queryByText(streamUrls.outbound)).not.toBeNull();
});

test("changing the name leaves the secrets alone", async () => {
  const sent = answering({
    "GET /api/connections": list(retell),
    "PATCH /api/connections/c": retell,
  });
  show(<Connections />);
  await userEvent.click(await screen.findByRole("button", { name: "Change Support" }));
  expect(screen.getByLabelText("API key").getAttribute("placeholder")).toBe("Unchanged");
  await userEvent.type(screen.getByLabelText("Name"), " EU");
  await userEvent.click(screen.getByRole("button", { name: "Save" }));
  await vi.waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
  expect(sent[0]?.body).toEqual({ name: "Support EU", webhook: { scheme: "retell" } });
});

test("what is wrong with a secret is told at its field", async () => {
  const errors = [{ field: "webhook.secret", message: "is not 8 to 512 characters" }];
  answering({
    "GET /api/connections": list(retell),
    "PATCH /api/connections/c": refusal(422, "validation_failed", "webhook.secret: …", errors),
  });
  show(<Connections />);
  await userEvent.click(await screen.findByRole("button", { name: "Change Support" }));
  await userEvent.type(screen.getByLabelText("Secret"), "short");
  await userEvent.click(screen.getByRole("button", { name: "Save" }));
  expect((await screen.findByRole("alert")).textContent).toBe("Is not 8 to 512 characters.");
});

test("a recogniser of speech is told which calls it writes down", async () => {
  const settings = { transcribe: "always", language: "de", apiUrl: "http://127.0.0.1:1" };
  const ears: Connection = { ...retell, kind: "deepgram", name: "Ears", settings };
  const wrong = [{ field: "settings.language", message: "is not the name of a language" }];
  let answer: unknown = refusal(422, "validation_failed", "settings.language: …", wrong);
  const sent = answering({
    "GET /api/connections": list(ears),
    "PATCH /api/connections/c": () => answer,
  });
  show(<Connections />);
  await screen.findByText(/The sound of every call goes to the provider/);
  await userEvent.click(screen.getByRole("button", { name: "Change Ears" }));
  const language = screen.getByLabelText<HTMLInputElement>("Language");
  expect(language.value).toBe("de");
  await userEvent.type(language, " und en");
  await userEvent.click(screen.getByRole("button", { name: "Save" }));
  expect((await screen.findByRole("alert")).textContent).toBe("Is not the name of a language.");
  answer = ears;
  await userEvent.clear(language);
  await userEvent.type(screen.getByLabelText("Model"), "nova-3");
  await userEvent.selectOptions(screen.getByLabelText("Where"), "In the European Union");
  await userEvent.selectOptions(screen.getByLabelText("What it writes down"), "No call");
  expect(screen.queryByLabelText("Model")).toBeNull();
  await userEvent.click(screen.getByRole("button", { name: "Save" }));
  await vi.waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
  expect(sent.map(({ body }) => (body as { settings: unknown }).settings)).toEqual([
    { ...settings, language: "de und en" },
    { apiUrl: settings.apiUrl, transcribe: "never", model: "nova-3", region: "eu" },
  ]);
});

test("a test says what the vendor answered", async () => {
  answering({
    "GET /api/connections": list(retell),
    "POST /api/connections/c/test": {
      outcome: "unauthorized",
      detail: "the vendor does not accept the credentials (status 401)",
      latencyMs: 88,
      testedAt: "2026-10-30T12:00:00.000Z",
    },
  });
  show(<Connections />);
  await userEvent.click(await screen.findByRole("button", { name: "Test" }));
  const answer = await screen.findByText(/does not accept/);
  expect(answer.textContent).toBe(
    "Refused. The vendor does not accept the credentials (status 401). 88 ms",
  );
});
