import { QueryCache, QueryClient } from "@tanstack/react-query";
import { ApiError } from "./client";

/** Tries of a read before the page shows the error. */
const MAX_TRIES = 3;

/** Names of what the cache holds. */
export const keys = {
  me: ["me"] as const,
  analytics: ["analytics"] as const,
  apiKeys: ["api keys"] as const,
  audit: ["audit"] as const,
  branches: ["branches"] as const,
  campaigns: ["campaigns"] as const,
  clients: ["clients"] as const,
  connections: ["connections"] as const,
  deliveries: (subscriptionId: string) => ["deliveries", subscriptionId] as const,
  fallback: ["fallback"] as const,
  invites: ["invites"] as const,
  members: (clientId: string) => ["members", clientId] as const,
  phoneNumbers: ["phone numbers"] as const,
  pills: ["pills"] as const,
  subscriptions: ["subscriptions"] as const,
  users: ["users"] as const,
  activeCalls: ["calls", "active"] as const,
  histories: ["calls", "history"] as const,
  call: (id: string) => ["call", id] as const,
  retention: ["retention"] as const,
  backlog: ["backlog"] as const,
  recordings: (callId: string) => ["recordings", callId] as const,
  transcript: (callId: string) => ["transcript", callId] as const,
  metadata: (callId: string) => ["metadata", callId] as const,
  annotations: (callId: string) => ["annotations", callId] as const,
  feedback: (callId: string) => ["feedback", callId] as const,
  actions: (callId: string) => ["actions", callId] as const,
  intelligence: (callId: string) => ["intelligence", callId] as const,
  alertRules: ["alert rules"] as const,
  openAlerts: ["alerts", "open"] as const,
  alertLog: ["alerts", "log"] as const,
  agents: ["agents"] as const,
  preferences: ["preferences"] as const,
};

/** The one store of server data. A 401 of any read means that the login page is next. */
export function createQueryClient(): QueryClient {
  const client: QueryClient = new QueryClient({
    queryCache: new QueryCache({
      onError: (error, query) => {
        const lost = error instanceof ApiError && error.isUnauthenticated;
        if (lost && query.queryKey[0] !== keys.me[0]) client.setQueryData(keys.me, null);
      },
    }),
    defaultOptions: {
      queries: {
        // the socket keeps what is shown fresh; this is for what it does not cover
        staleTime: 30_000,
        refetchOnWindowFocus: false,
        retry: (failures, error) =>
          error instanceof ApiError && error.isTemporary && failures + 1 < MAX_TRIES,
      },
      mutations: { retry: false },
    },
  });
  return client;
}
