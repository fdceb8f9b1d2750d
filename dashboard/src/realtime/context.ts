import { createContext, use, useEffect, useSyncExternalStore } from "react";
import type { Connection, LinkState } from "./connection";

/** The page's connection; there is one as soon as somebody is logged in. */
export const ConnectionContext = createContext<Connection | null>(null);

function useConnection(): Connection {
  const connection = use(ConnectionContext);
  if (connection === null)
    throw new Error("used outside of the shell, where there is no connection");
  return connection;
}

/** The connection light. */
export function useLink(): LinkState {
  const connection = useConnection();
  return useSyncExternalStore(connection.onLink, connection.link);
}

/** Keeps a stream subscribed while the component is there. */
export function useStream(stream: string): void {
  const connection = useConnection();
  useEffect(() => connection.streams.want(stream), [connection, stream]);
}
