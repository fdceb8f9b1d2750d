import type { ConnectionGiven } from "@/api/connections";
import type { Connection } from "@/wire/Connection";
import type { ConnectionKind } from "@/wire/ConnectionKind";
import type { HmacAlgorithm } from "@/wire/HmacAlgorithm";
import type { SignatureEncoding } from "@/wire/SignatureEncoding";
import type { TestOutcome } from "@/wire/TestOutcome";
import type { WebhookAuth } from "@/wire/WebhookAuth";
import type { WebhookScheme } from "@/wire/WebhookScheme";

/** What is to be known of a vendor. */
interface Vendor {
  /** As its maker writes it. */
  name: string;
  /** What its API asks for: name in the API to word. */
  credentials: readonly (readonly [string, string])[];
  /** How it may sign webhooks; nothing: it sends none that are taken. */
  schemes: readonly WebhookScheme[];
  /** How it writes calls down, if it does. */
  recogniser?: Recogniser;
}

/** What may be said of how an account writes calls down. */
export interface Recogniser {
  /** The model that it has when none is named. */
  model: string;
  /** Whether it can be reached in the European Union. */
  eu: boolean;
}

const API_KEY = [["apiKey", "API key"]] as const;

const VENDORS: Record<ConnectionKind, Vendor> = {
  vapi: {
    name: "Vapi",
    credentials: API_KEY,
    schemes: ["hmac", "bearer", "oauth2", "vapi_secret", "none"],
  },
  retell: { name: "Retell", credentials: API_KEY, schemes: ["retell", "none"] },
  twilio: {
    name: "Twilio",
    credentials: [
      ["accountSid", "Account SID"],
      ["authToken", "Auth token"],
    ],
    schemes: [],
  },
  telnyx: { name: "Telnyx", credentials: API_KEY, schemes: [] },
  plivo: {
    name: "Plivo",
    credentials: [
      ["authId", "Auth ID"],
      ["authToken", "Auth token"],
    ],
    schemes: [],
  },
  vonage: {
    name: "Vonage",
    credentials: [
      ["apiKey", "API key"],
      ["apiSecret", "API secret"],
    ],
    schemes: [],
  },
  exotel: {
    name: "Exotel",
    credentials: [
      ["apiKey", "API key"],
      ["apiToken", "API token"],
    ],
    schemes: [],
  },
  bland: { name: "Bland", credentials: API_KEY, schemes: [] },
  elevenlabs: { name: "ElevenLabs", credentials: API_KEY, schemes: [] },
  genesys: {
    name: "Genesys AudioHook",
    credentials: [
      ["apiKey", "API key"],
      ["clientSecret", "Client secret"],
    ],
    schemes: [],
  },
  jambonz: {
    name: "jambonz",
    credentials: [
      ["accountSid", "Account SID"],
      ["apiKey", "API key"],
    ],
    schemes: [],
  },
  deepgram: {
    name: "Deepgram",
    credentials: API_KEY,
    schemes: [],
    recogniser: { model: "nova-3", eu: true },
  },
  assemblyai: {
    name: "AssemblyAI",
    credentials: API_KEY,
    schemes: [],
    recogniser: { model: "AssemblyAI’s own", eu: true },
  },
  openai: {
    name: "OpenAI",
    credentials: API_KEY,
    schemes: [],
    recogniser: { model: "gpt-4o-transcribe", eu: false },
  },
};

/** Every vendor, for choices. */
export const KINDS = Object.keys(VENDORS) as ConnectionKind[];

export const vendor = (kind: ConnectionKind): Vendor => VENDORS[kind];

/** Schemes in words. */
export const SCHEMES: Record<WebhookScheme, string> = {
  none: "Refuse its webhooks",
  vapi_secret: "Secret in X-Vapi-Secret",
  bearer: "Bearer token",
  oauth2: "OAuth 2 token",
  hmac: "HMAC signature",
  retell: "Retell signature",
};

/** What the secret of a scheme is, and where the vendor has it. */
export const SECRET_TEXT: Record<WebhookScheme, string> = {
  none: "",
  vapi_secret: "What Vapi calls the server secret.",
  bearer: "The token that the vendor sends.",
  oauth2: "The token that is accepted, or the key of an HS256 JWT.",
  hmac: "The key that the vendor signs with. 8 to 512 characters.",
  retell: "Retell’s API key that has the webhook badge.",
};

/** What came of a test: its tone. The words come from the server. */
export const OUTCOME: Record<TestOutcome, { tone: "good" | "bad" | "warn"; word: string }> = {
  ok: { tone: "good", word: "It works" },
  unauthorized: { tone: "bad", word: "Refused" },
  unreachable: { tone: "bad", word: "No answer" },
  unexpected: { tone: "warn", word: "Odd answer" },
  untested: { tone: "warn", word: "Not tested" },
};

/** When an account writes calls down: what holds when nothing is said comes first. */
export type Transcribe = "needed" | "always" | "never";

export const TRANSCRIBE: readonly (readonly [Transcribe, string])[] = [
  ["needed", "Calls whose words nobody else tells"],
  ["always", "Every call"],
  ["never", "No call"],
];

/** Whose sound goes where, for each choice. */
export const TRANSCRIBE_TEXT: Record<Transcribe, string> = {
  needed:
    "The sound of calls in rooms and of streams goes to the provider, until an agent tells the words.",
  always: "The sound of every call goes to the provider, and its words count above others’.",
  never: "No sound goes to the provider.",
};

/** What the form holds. Secrets are what was typed now; empty: what is kept stays. */
export interface ConnectionForm {
  kind: ConnectionKind;
  name: string;
  credentials: Record<string, string>;
  scheme: WebhookScheme;
  secret: string;
  headerName: string;
  bearerPrefix: boolean;
  algorithm: HmacAlgorithm;
  encoding: SignatureEncoding;
  signatureHeader: string;
  signaturePrefix: string;
  timestamped: boolean;
  timestampHeader: string;
  payloadFormat: string;
  messageIdHeader: string;
  base64Secret: boolean;
  transcribe: Transcribe;
  language: string;
  model: string;
  eu: boolean;
  /** Settings that are kept and have no field. */
  others: Record<string, unknown>;
}

/** What a form asks of a connection that is kept. */
type Known = Pick<Connection, "kind" | "settings"> & Partial<Pick<Connection, "name" | "webhook">>;

/** The form for a connection; for a new one of a kind, with what that vendor does by itself. */
export function formOf(known: Known | ConnectionKind): ConnectionForm {
  const connection = typeof known === "string" ? undefined : known;
  const kind = typeof known === "string" ? known : known.kind;
  const { transcribe, language, model, region, ...others } = connection?.settings ?? {};
  const webhook: WebhookAuth = connection?.webhook ?? { scheme: vendor(kind).schemes[0] ?? "none" };
  return {
    kind,
    name: connection?.name ?? "",
    credentials: {},
    scheme: webhook.scheme,
    secret: "",
    headerName: webhook.headerName ?? "",
    bearerPrefix: webhook.bearerPrefixEnabled ?? true,
    algorithm: webhook.algorithm ?? "sha256",
    encoding: webhook.signatureEncoding ?? "hex",
    signatureHeader: webhook.signatureHeader ?? "",
    signaturePrefix: webhook.signaturePrefix ?? "",
    timestamped: webhook.includeTimestamp ?? true,
    timestampHeader: webhook.timestampHeader ?? "",
    payloadFormat: webhook.payloadFormat ?? "",
    messageIdHeader: webhook.messageIdHeader ?? "",
    base64Secret: webhook.secretIsBase64 ?? false,
    transcribe: TRANSCRIBE.find(([each]) => each === transcribe)?.[0] ?? "needed",
    language: typeof language === "string" ? language : "",
    model: typeof model === "string" ? model : "",
    eu: region === "eu",
    others,
  };
}

/** What is kept of how an account writes calls down. */
function settingsOf(form: ConnectionForm, { eu }: Recogniser): Record<string, unknown> {
  const { others, transcribe, language, model } = form;
  const region = eu && form.eu ? { region: "eu" } : {};
  return { ...others, transcribe, ...filled({ language, model }), ...region };
}

/** The fields of which something was typed. */
function filled(fields: Record<string, string>): Record<string, string> {
  const given = Object.entries(fields).map(([name, text]) => [name, text.trim()] as const);
  return Object.fromEntries(given.filter(([, text]) => text !== ""));
}

/** How webhooks are signed, with the options that the scheme has and no others. */
function webhookOf(form: ConnectionForm): WebhookAuth & { secret?: string } {
  const { scheme } = form;
  const secret = filled({ secret: form.secret });
  if (scheme === "none" || scheme === "retell" || scheme === "vapi_secret") {
    return scheme === "none" ? { scheme } : { scheme, ...secret };
  }
  if (scheme !== "hmac") {
    const prefix = scheme === "bearer" ? { bearerPrefixEnabled: form.bearerPrefix } : {};
    return { scheme, ...secret, ...filled({ headerName: form.headerName }), ...prefix };
  }
  return {
    scheme,
    ...secret,
    algorithm: form.algorithm,
    signatureEncoding: form.encoding,
    includeTimestamp: form.timestamped,
    secretIsBase64: form.base64Secret,
    ...filled({
      signatureHeader: form.signatureHeader,
      signaturePrefix: form.signaturePrefix,
      timestampHeader: form.timestamped ? form.timestampHeader : "",
      payloadFormat: form.payloadFormat,
      messageIdHeader: form.messageIdHeader,
    }),
  };
}

/** What is sent for a form. */
export function read(form: ConnectionForm): ConnectionGiven {
  const { credentials, schemes, recogniser } = vendor(form.kind);
  const known = new Set(credentials.map(([name]) => name));
  const given = filled(
    Object.fromEntries(Object.entries(form.credentials).filter(([name]) => known.has(name))),
  );
  return {
    kind: form.kind,
    name: form.name.trim(),
    ...(Object.keys(given).length === 0 ? {} : { credentials: given }),
    ...(schemes.length === 0 ? {} : { webhook: webhookOf(form) }),
    ...(recogniser === undefined ? {} : { settings: settingsOf(form, recogniser) }),
  };
}

/** When calls are written down by this account; nothing where it does not do that. */
export const transcribes = ({ kind, settings }: Connection): Transcribe | undefined =>
  vendor(kind).recogniser && formOf({ kind, settings }).transcribe;

/** Whether only some of the credentials were typed: they replace all that are kept. */
export function isPartial(form: ConnectionForm): boolean {
  const { credentials } = vendor(form.kind);
  const typed = credentials.filter(([name]) => (form.credentials[name] ?? "").trim() !== "");
  return typed.length > 0 && typed.length < credentials.length;
}
