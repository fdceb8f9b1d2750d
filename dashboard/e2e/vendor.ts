import { expect, type Page } from "@playwright/test";
import { randomUUID } from "node:crypto";
import type { Call } from "../src/wire/Call";
import { ask } from "./support";

const SECRET = "a-secret-of-the-browser-tests";
const LINE_MS = 4_000;

/** What is said in the call, the assistant first. */
export const LINES = [
  "Good afternoon, this is Aria. How can I help you?",
  "My parcel has not arrived. The order number is A-17.",
  "I am sorry to hear that. Let me look it up.",
  "If it takes any longer, I would like a refund.",
  "It was returned to us. I can give you a refund today.",
  "A refund, please. <b>Thank you</b>.",
];

/** Lets an end-of-call report arrive as Vapi sends it, and gives the call that it makes. */
export async function endedVapiCall(page: Page): Promise<Call> {
  const name = "Browser tests";
  const webhook = { scheme: "vapi_secret", secret: SECRET };
  const made = await ask(page, "POST", "/api/connections", { kind: "vapi", name, webhook });
  expect([201, 409, 422]).toContain(made.status); // another test has made it already
  const id = randomUUID();
  const createdMs = Date.now() - 120_000;
  const messages = LINES.map((message, at) => ({
    role: at % 2 === 0 ? "bot" : "user",
    message,
    time: createdMs + at * LINE_MS,
    endTime: createdMs + at * LINE_MS + LINE_MS - 500,
    duration: LINE_MS - 500,
    secondsFromStart: (at * LINE_MS) / 1000,
  }));
  const report = {
    message: {
      type: "end-of-call-report",
      timestamp: createdMs + 60_000,
      call: { id, orgId: "org", type: "inboundPhoneCall", createdAt: createdMs },
      assistant: { name: "Aria" },
      customer: { number: "+493012345678", name: "Carla Customer" },
      phoneNumber: { number: "+4930999999" },
      endedReason: "customer-ended-call",
      startedAt: createdMs,
      endedAt: createdMs + LINES.length * LINE_MS,
      cost: 0.12,
      analysis: {
        summary: "The parcel was returned. The customer asked for a refund and got it.",
        successEvaluation: "true",
        structuredData: { outcome: "refund promised", order: "A-17" },
      },
      artifact: { messages },
    },
  };
  const told = await page.request.post("/api/webhooks/vapi/default", {
    headers: { "x-vapi-secret": SECRET },
    data: report,
  });
  expect(told.status()).toBe(200);
  const found = await ask(page, "GET", `/api/calls?status=ended&q=${id}`);
  const call = (found.body as { items: Call[] }).items[0];
  if (call === undefined) throw new Error("the report made no call");
  return call;
}
