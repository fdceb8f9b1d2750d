import { expect, test } from "vitest";
import type { Connection } from "@/wire/Connection";
import { formOf, isPartial, KINDS, read, transcribes, vendor } from "./connections";

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

test("a recogniser is told when it writes down, and what else is kept of it stays", () => {
  const settings = { transcribe: "always", language: "de", region: "eu", note: 1 };
  const ears: Connection = { ...vapi, kind: "deepgram", settings };
  const form = formOf(ears);
  expect(read(form).settings).toEqual(settings);
  expect(
    read({ ...form, transcribe: "never", language: " ", model: "nova-3", eu: false }).settings,
  ).toEqual({ transcribe: "never", model: "nova-3", note: 1 });
  expect(read({ ...form, kind: "openai" }).settings).not.toHaveProperty("region");
  expect(read(formOf("assemblyai")).settings).toEqual({ transcribe: "needed" });
  expect(read(formOf(vapi))).not.toHaveProperty("settings");
});

test("a card says whether sound goes to an account: by default it does", () => {
  expect(transcribes({ ...vapi, kind: "openai" })).toBe("needed");
  expect(transcribes({ ...vapi, kind: "openai", settings: { transcribe: "never" } })).toBe("never");
  expect(transcribes(vapi)).toBeUndefined();
});

test("every vendor has a name and asks for something", () => {
  for (const kind of KINDS) {
    expect(vendor(kind).name).not.toBe("");
    expect(vendor(kind).credentials.length).toBeGreaterThan(0);
  }
});
