import type { Connection } from "@/wire/Connection";
import type { ConnectionKind } from "@/wire/ConnectionKind";
import type { ConnectionTest } from "@/wire/ConnectionTest";
import type { WebhookAuth } from "@/wire/WebhookAuth";
import { request } from "./client";
import { path, useAct, useWhole } from "./lists";
import { keys } from "./query";

/** The tenant's accounts at vendors. */
export const useConnections = () => useWhole<Connection>(keys.connections, "/api/connections");

/** What is said of a connection. Secrets that are left out stay as they are. */
export interface ConnectionGiven {
  kind: ConnectionKind;
  name: string;
  credentials?: Record<string, string>;
  webhook?: WebhookAuth & { secret?: string };
  /** All of them anew; left out: they stay. */
  settings?: Record<string, unknown>;
}

/** Adds a connection, or changes the one with the id: its kind stays. */
export const useSaveConnection = (id: string | undefined) =>
  useAct(
    ({ kind, ...rest }: ConnectionGiven) =>
      id === undefined
        ? request<Connection>("POST", "/api/connections", { body: { kind, ...rest } })
        : request<Connection>("PATCH", path`/api/connections/${id}`, { body: rest }),
    keys.connections,
  );

export const useRemoveConnection = () =>
  useAct((id: string) => request("DELETE", path`/api/connections/${id}`), keys.connections);

/** Asks the vendor whether it accepts the credentials. */
export const useTestConnection = (id: string) =>
  useAct(() => request<ConnectionTest>("POST", path`/api/connections/${id}/test`));
