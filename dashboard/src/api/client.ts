import { sentence } from "@/lib/format";

/** An answer that is not a success, or no answer: `status` is 0 then. */
export class ApiError extends Error {
  override readonly name = "ApiError";

  constructor(
    readonly status: number,
    /** Stable snake_case word of the API, for example `unsupported_by_upstream`. */
    readonly code: string,
    /** For the person in front of the screen. */
    message: string,
    /** Seconds after which another try makes sense, if the server said so. */
    readonly retryAfterSeconds?: number,
    /** What is wrong with which field, as sentences. */
    readonly fields: ReadonlyMap<string, string> = new Map(),
  ) {
    super(message);
  }

  /** Nobody is logged in (any more). */
  get isUnauthenticated(): boolean {
    return this.status === 401;
  }

  /** Whether trying the same again can help. */
  get isTemporary(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

/** One page of a list. */
export interface Page<T> {
  items: T[];
  nextCursor?: string | null;
}

export interface RequestOptions {
  body?: unknown;
  query?: Record<string, string | number | boolean | undefined>;
  signal?: AbortSignal;
  /** Finishes even if the page is left meanwhile. */
  keepalive?: boolean;
}

/** Value of the cookie that proves to the server that a write comes from this page. */
function csrfToken(): string {
  const found = document.cookie.split("; ").find((cookie) => cookie.startsWith("sidetone_csrf="));
  return found === undefined ? "" : decodeURIComponent(found.slice(found.indexOf("=") + 1));
}

function address(path: string, query: RequestOptions["query"]): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== "") parameters.set(name, String(value));
  }
  const text = parameters.toString();
  return text === "" ? path : `${path}?${text}`;
}

const PLAIN: Partial<Record<number, string>> = {
  401: "You are not logged in.",
  403: "Your role does not allow this.",
  404: "This does not exist, or not any more.",
  429: "Too many tries. Wait a little.",
  503: "The server is not ready yet.",
  504: "The server did not get an answer in time.",
};

/** What a problem says about single fields. */
function fieldErrors(body: unknown): Map<string, string> {
  const errors: unknown = typeof body === "object" && body !== null && Reflect.get(body, "errors");
  const fields = new Map<string, string>();
  if (!Array.isArray(errors)) return fields;
  for (const each of errors as unknown[]) {
    if (typeof each !== "object" || each === null) continue;
    const field: unknown = Reflect.get(each, "field");
    const message: unknown = Reflect.get(each, "message");
    if (typeof field === "string" && typeof message === "string") {
      fields.set(field, sentence(message));
    }
  }
  return fields;
}

async function problem(response: Response): Promise<ApiError> {
  let body: unknown;
  try {
    body = await response.json();
  } catch {
    body = undefined; // not from the API: a proxy's page, for example
  }
  const field = (name: string): string | undefined => {
    const value: unknown =
      typeof body === "object" && body !== null ? Reflect.get(body, name) : undefined;
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  const plain = PLAIN[response.status] ?? `The server answered ${response.status}.`;
  const retryAfter = Number(response.headers.get("retry-after") ?? "");
  return new ApiError(
    response.status,
    field("code") ?? "unknown",
    sentence(field("detail") ?? field("title") ?? plain),
    retryAfter > 0 ? retryAfter : undefined,
    fieldErrors(body),
  );
}

/** Sends a request to our own server and reads its JSON. Throws `ApiError` and nothing else. */
export async function request<T>(
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE",
  path: string,
  { body, query, signal, keepalive = false }: RequestOptions = {},
): Promise<T> {
  const headers = new Headers({ accept: "application/json" });
  if (method !== "GET") headers.set("x-csrf-token", csrfToken());
  if (body !== undefined) headers.set("content-type", "application/json");
  let response: Response;
  try {
    response = await fetch(address(path, query), {
      method,
      headers,
      keepalive,
      credentials: "same-origin",
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal }),
    });
  } catch {
    throw new ApiError(0, "unreachable", "The server cannot be reached.");
  }
  if (!response.ok) throw await problem(response);
  if (response.status === 204) return undefined as T;
  try {
    const text = await response.text();
    return (text === "" ? undefined : JSON.parse(text)) as T;
  } catch {
    throw new ApiError(response.status, "unreadable", "The server's answer could not be read.");
  }
}

/** Asks for one byte of a file: whether it can be had. Throws `ApiError` when it cannot. */
export async function probe(url: string): Promise<void> {
  let response: Response;
  try {
    response = await fetch(url, { headers: { range: "bytes=0-0" }, credentials: "same-origin" });
  } catch {
    throw new ApiError(0, "unreachable", "The server cannot be reached.");
  }
  if (!response.ok) throw await problem(response);
  await response.body?.cancel();
}

/** What to tell a person about any failure. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : "Something unexpected happened.";
}
