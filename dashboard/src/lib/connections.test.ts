import { expect, test } from "vitest";
import type { Connection } from "@/wire/Connection";
import { formOf, isPartial, KINDS, read, vendor } from "./connections";

const vapi: Connection = {
  id: "c",
  clientId: "t",
  kind: "vapi",
  name: "Sales",
  hasCredentials: true,
  webhook: { scheme: "hmac", signatureHeader: "x-sig", algorithm: "sha512" },
  hasSecret: true,
  settings: {},
  webhookUrl: "https://example.com/api/webhooks/vapi/default",
  createdAt: "2026-10-30T12:00:00.000Z",
  updatedAt: "2026-10-30T12:00:00.000Z",
};

test("secrets that were not typed are not sent: what is kept stays", () => {
  const given = read({ ...formOf(vapi), name: " Support " });
  expect(given.name).toBe("Support");
  expect(given.credentials).toBeUndefined();
  expect(given.webhook).toEqual({
    scheme: "hmac",
    algorithm: "sha512",
    signatureEncoding: "hex",
    includeTimestamp: true,
    secretIsBase64: false,
    signatureHeader: "x-sig",
  });
});

test("a scheme is sent with its own options and no others", () => {
  const form = { ...formOf(vapi), secret: "s3cret-enough" };
  expect(read({ ...form, scheme: "vapi_secret" }).webhook).toEqual({
    scheme: "vapi_secret",
    secret: "s3cret-enough",
  });
  expect(read({ ...form, scheme: "none" }).webhook).toEqual({ scheme: "none" });
  expect(read({ ...form, scheme: "bearer", headerName: "x-token" }).webhook).toEqual({
    scheme: "bearer",
    secret: "s3cret-enough",
    headerName: "x-token",
    bearerPrefixEnabled: true,
  });
});

test("a vendor without webhooks is told nothing of them", () => {
  const form = { ...formOf("twilio"), credentials: { accountSid: "AC1", authToken: "t" } };
  expect(read(form)).toEqual({
    kind: "twilio",
    name: "",
    credentials: { accountSid: "AC1", authToken: "t" },
  });
});

test("credentials of the vendor chosen before are left behind", () => {
  const form = { ...formOf("deepgram"), credentials: { accountSid: "AC1", apiKey: "k" } };
  expect(read(form).credentials).toEqual({ apiKey: "k" });
});

test("half of the credentials would replace all of them", () => {
  expect(isPartial({ ...formOf("twilio"), credentials: { accountSid: "AC1" } })).toBe(true);
  expect(isPartial(formOf("twilio"))).toBe(false);
});

test("every vendor has a name and asks for something", () => {
  for (const kind of KINDS) {
    expect(vendor(kind).name).not.toBe("");
    expect(vendor(kind).credentials.length).toBeGreaterThan(0);
  }
});
