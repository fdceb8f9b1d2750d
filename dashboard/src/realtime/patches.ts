import type { InfiniteData, QueryClient } from "@tanstack/react-query";
import type { Page } from "@/api/client";
import { keys } from "@/api/query";
import type { Call } from "@/wire/Call";
import type { Control } from "@/wire/Control";
import type { Transfer } from "@/wire/Transfer";

/** How long an ended call stays in the live list, faded. */
export const ENDED_STAYS_MS = 5_000;
/** Upserts are gathered this long and then applied in one go: 500 calls change, one render. */
const GATHER_MS = 100;
/** Upserts are remembered this long, to be laid over snapshots that were asked for before them. */
const REMEMBER_MS = 60_000;

/** Whether a call is over. */
export const isEnded = (call: Call): boolean => call.status === "ended";

/**
 * The list with each upsert put in place of its older self, or added at the end. A call that has
 * ended does not come back to life through a late message; one that was never shown alive does not
 * appear dead. The list is the same object when nothing changed.
 */
export function withUpserts(calls: readonly Call[], upserts: ReadonlyMap<string, Call>): Call[] {
  const left = new Map(upserts);
  let changed = false;
  const next = calls.map((call) => {
    const newer = left.get(call.id);
    if (newer === undefined) return call;
    left.delete(call.id);
    if (isEnded(call) && !isEnded(newer)) return call;
    changed = true;
    return newer;
  });
  for (const call of left.values()) {
    if (isEnded(call)) continue;
    changed = true;
    next.push(call);
  }
  return changed ? next : (calls as Call[]);
}

type Histories = InfiniteData<Page<Call>>;

/** Pages of the history with each upsert put in place of its older self; nothing is added to them. */
export function withUpsertsInPages(
  known: Histories,
  upserts: ReadonlyMap<string, Call>,
): Histories {
  const touches = ({ items }: Page<Call>) => items.some(({ id }) => upserts.has(id));
  if (!known.pages.some(touches)) return known;
  const pages = known.pages.map((page) =>
    touches(page)
      ? { ...page, items: page.items.map((call) => upserts.get(call.id) ?? call) }
      : page,
  );
  return { ...known, pages };
}

interface Remembered {
  call: Call;
  at: number;
}

/** Lays the socket's messages over the cache of one query client. */
export class Patches {
  readonly #client: QueryClient;
  readonly #waiting = new Map<string, Call>();
  readonly #remembered = new Map<string, Remembered>();
  readonly #leaving = new Map<string, ReturnType<typeof setTimeout>>();
  #flushTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(client: QueryClient) {
    this.#client = client;
  }

  /** Takes a call as it is now. */
  upsert(call: Call): void {
    this.#waiting.set(call.id, call);
    this.#flushTimer ??= setTimeout(() => this.flush(), GATHER_MS);
  }

  /** Takes where a call's transfer stands. Shown at once, like who has it. */
  transfer(callId: string, transfer: Transfer): void {
    this.flush();
    const known = this.#known(callId);
    if (known === undefined) return;
    this.#waiting.set(callId, { ...known, transfer });
    this.flush();
  }

  #known(callId: string): Call | undefined {
    return (
      this.#client.getQueryData<Call>(keys.call(callId)) ??
      this.#client.getQueryData<Call[]>(keys.activeCalls)?.find(({ id }) => id === callId)
    );
  }

  /** Takes who has a call now. Shown at once: somebody may be about to press. */
  control(callId: string, control: Control): void {
    this.flush();
    const known = this.#known(callId);
    // what is not shown comes with its snapshot; an older change came by another way before
    if (known === undefined || known.control.version >= control.version) return;
    this.#waiting.set(callId, { ...known, control });
    this.flush();
  }

  /** Applies what was gathered. */
  flush(): void {
    clearTimeout(this.#flushTimer);
    this.#flushTimer = undefined;
    const upserts = new Map(this.#waiting);
    this.#waiting.clear();
    this.#remember(upserts);
    this.#client.setQueryData<Call[]>(keys.activeCalls, (calls) =>
      calls === undefined ? undefined : withUpserts(calls, upserts),
    );
    this.#client.setQueriesData<Histories>({ queryKey: keys.histories }, (known) =>
      known === undefined ? undefined : withUpsertsInPages(known, upserts),
    );
    for (const call of upserts.values()) this.#patchCall(call);
  }

  /** Calls of `snapshot`, with what the socket told since `since` laid over them. */
  over(snapshot: Call[], since: number): Call[] {
    const newer = new Map<string, Call>();
    for (const [id, { call, at }] of this.#remembered) if (at >= since) newer.set(id, call);
    for (const [id, call] of this.#waiting) newer.set(id, call);
    return withUpserts(snapshot, newer);
  }

  /** Drops timers; the client is being left. */
  close(): void {
    clearTimeout(this.#flushTimer);
    for (const timer of this.#leaving.values()) clearTimeout(timer);
    this.#leaving.clear();
  }

  #remember(upserts: ReadonlyMap<string, Call>): void {
    const now = performance.now();
    for (const [id, { at }] of this.#remembered) {
      if (now - at > REMEMBER_MS) this.#remembered.delete(id);
    }
    for (const [id, call] of upserts) this.#remembered.set(id, { call, at: now });
  }

  #patchCall(call: Call): void {
    const known = this.#client.getQueryData<Call>(keys.call(call.id));
    if (known !== undefined && !(isEnded(known) && !isEnded(call))) {
      this.#client.setQueryData(keys.call(call.id), call);
    }
    const before = known?.recordingStoredUrl;
    if (isEnded(call) || call.recordingStoredUrl !== before) {
      void this.#client.invalidateQueries({ queryKey: keys.recordings(call.id) });
    }
    if (isEnded(call)) this.#letGo(call.id);
  }

  /** An ended call fades from the live list and is new to the history. */
  #letGo(id: string): void {
    void this.#client.invalidateQueries({ queryKey: keys.histories, refetchType: "none" });
    if (this.#leaving.has(id)) return;
    const leave = () => {
      this.#leaving.delete(id);
      this.#client.setQueryData<Call[]>(keys.activeCalls, (calls) =>
        calls?.filter((call) => call.id !== id || !isEnded(call)),
      );
    };
    this.#leaving.set(id, setTimeout(leave, ENDED_STAYS_MS));
  }
}

const byClient = new WeakMap<QueryClient, Patches>();

/** The patches of a query client: one for its life. */
export function patchesOf(client: QueryClient): Patches {
  let patches = byClient.get(client);
  if (patches === undefined) {
    patches = new Patches(client);
    byClient.set(client, patches);
  }
  return patches;
}

/** Marks the moment at which a snapshot is asked for. */
export function startOfSnapshot(client: QueryClient): number {
  patchesOf(client);
  return performance.now();
}

/** The snapshot with everything that the socket told after `since`. */
export function newerThan(client: QueryClient, since: number, snapshot: Call[]): Call[] {
  return patchesOf(client).over(snapshot, since);
}
