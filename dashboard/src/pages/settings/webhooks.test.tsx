import { cleanup, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, expect, test, vi } from "vitest";
import { answering, list, show } from "@/testing/server";
import type { WebhookDelivery } from "@/wire/WebhookDelivery";
import type { WebhookSubscription } from "@/wire/WebhookSubscription";
import { Webhooks } from "./webhooks";

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const at = "2026-10-30T12:00:00.000Z";
const crm: WebhookSubscription = {
  id: "w",
  url: "https://crm.example.com/hook",
  events: ["call.ended"],
  enabled: true,
  createdAt: at,
  updatedAt: at,
};
const failed: WebhookDelivery = {
  id: "d",
  messageId: "msg_1",
  type: "call.ended",
  state: "failed",
  attempts: 9,
  error: "the name does not resolve",
  createdAt: at,
  payload: { type: "call.ended", version: 1, timestamp: at, data: { note: "<b>x</b>" } },
};
const deliveries = "GET /api/webhook-subscriptions/w/deliveries";

test("a new webhook's secret is shown once", async () => {
  const sent = answering({
    "GET /api/webhook-subscriptions": list(),
    "POST /api/webhook-subscriptions": { ...crm, secret: "whsec_abc" },
  });
  show(<Webhooks />);
  await screen.findByText("Nobody is told");
  const [add] = screen.getAllByRole("button", { name: "Add a webhook" });
  await userEvent.click(add ?? document.body);
  await userEvent.type(screen.getByLabelText("Address"), crm.url);
  await userEvent.click(screen.getByLabelText(/^A call began/));
  await userEvent.click(screen.getByRole("button", { name: "Add" }));
  await screen.findByText("whsec_abc");
  expect(sent[0]?.body).toMatchObject({ url: crm.url, events: ["call.ended", "call.started"] });
});

test("a delivery shows what was sent as text, and is sent again on a press", async () => {
  const sent = answering({
    "GET /api/webhook-subscriptions": list(crm),
    [deliveries]: list(failed),
    "POST /api/webhook-subscriptions/w/deliveries/d/replay": failed,
  });
  show(<Webhooks />);
  await userEvent.click(await screen.findByRole("button", { name: "Deliveries" }));
  await screen.findByText("Given up");
  expect(screen.getByText("The name does not resolve · 9 tries")).toBeTruthy();
  await userEvent.click(screen.getByRole("button", { name: "Show" }));
  expect(screen.getByLabelText("What is sent").textContent).toContain("<b>x</b>");
  await userEvent.click(screen.getByRole("button", { name: "Replay" }));
  expect(sent.map(({ act }) => act)).toEqual([
    "POST /api/webhook-subscriptions/w/deliveries/d/replay",
  ]);
});

test("rotating says how long the former secret goes on to count, and shows the new one", async () => {
  answering({
    "GET /api/webhook-subscriptions": list(crm),
    "POST /api/webhook-subscriptions/w/rotate-secret": { ...crm, secret: "whsec_new" },
  });
  show(<Webhooks />);
  await userEvent.click(await screen.findByRole("button", { name: "Rotate the secret" }));
  expect(screen.getByRole("dialog").textContent).toContain("24 hours");
  await userEvent.click(screen.getByRole("button", { name: "Make a new secret" }));
  await screen.findByText("whsec_new");
});

test("a test says at once whether it arrived", async () => {
  answering({
    "GET /api/webhook-subscriptions": list(crm),
    [deliveries]: list(),
    "POST /api/webhook-subscriptions/w/test": { ...failed, type: "ping", attempts: 1 },
  });
  show(<Webhooks />);
  await userEvent.click(await screen.findByRole("button", { name: "Send a test" }));
  const said = await screen.findByText(/The test did not arrive/);
  expect(said.textContent).toContain("The name does not resolve");
});
