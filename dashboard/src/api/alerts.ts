import {
  keepPreviousData,
  queryOptions,
  useInfiniteQuery,
  useMutation,
  useQuery,
  useQueryClient,
  type QueryClient,
  type UseQueryResult,
} from "@tanstack/react-query";
import type { Alert } from "@/wire/Alert";
import type { AlertCondition } from "@/wire/AlertCondition";
import type { AlertPreview } from "@/wire/AlertPreview";
import type { AlertRule } from "@/wire/AlertRule";
import type { AlertState } from "@/wire/AlertState";
import { request, type Page } from "./client";
import { keys } from "./query";

/** Open alerts that are loaded: more are told as "more", nobody reads them all. */
const MAX_OPEN = 500;
/** Rules that are loaded: far above what a tenant has. */
const MAX_RULES = 500;

/** Where an alert stands while it is still so. */
const OPEN = ["firing", "acknowledged", "snoozed"] as const satisfies readonly AlertState[];

/** Whether it is still so. */
export const isOpen = (alert: Alert): boolean => alert.state !== "cleared";

/** The newest first. */
const byTime = (a: Alert, b: Alert): number =>
  a.firedAt < b.firedAt ? 1 : a.firedAt > b.firedAt ? -1 : a.id < b.id ? 1 : -1;

/** Open alerts with one as it is now: put in, replaced, or gone when it has cleared. */
export function withAlert(open: readonly Alert[], alert: Alert): Alert[] {
  const others = open.filter(({ id }) => id !== alert.id);
  return isOpen(alert) ? [...others, alert].sort(byTime) : others;
}

async function everything<T>(
  path: string,
  query: Record<string, string>,
  most: number,
  signal: AbortSignal,
): Promise<T[]> {
  const found: T[] = [];
  let cursor: string | undefined;
  do {
    const page = await request<Page<T>>("GET", path, {
      query: { ...query, limit: 100, cursor },
      signal,
    });
    found.push(...page.items);
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined && found.length < most);
  return found;
}

/** Every alert that is open, the newest first, kept up to date by the socket. */
export function useOpenAlerts(): UseQueryResult<Alert[]> {
  return useQuery(openAlerts);
}

/** What fires about one call. */
export function useAlertsOf(callId: string): readonly Alert[] | undefined {
  return useQuery({
    ...openAlerts,
    select: (alerts) =>
      alerts.filter((alert) => alert.callId === callId && alert.state === "firing"),
  }).data;
}

const openAlerts = queryOptions({
  queryKey: keys.openAlerts,
  queryFn: async ({ signal }) => {
    const found = await Promise.all(
      OPEN.map((state) => everything<Alert>("/api/alerts", { state }, MAX_OPEN, signal)),
    );
    // one that changed between two of the answers may be in both
    return [...new Map(found.flat().map((alert) => [alert.id, alert])).values()].sort(byTime);
  },
});

/** Every alert there was, the newest first, page after page. */
export function useAlertLog() {
  return useInfiniteQuery({
    queryKey: keys.alertLog,
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam, signal }) =>
      request<Page<Alert>>("GET", "/api/alerts", {
        query: { limit: 50, cursor: pageParam },
        signal,
      }),
    getNextPageParam: (last) => last.nextCursor ?? undefined,
  });
}

/** Lays an alert as it is now over what is known. */
export function patchAlert(client: QueryClient, alert: Alert): void {
  client.setQueryData<Alert[]>(keys.openAlerts, (known) =>
    known === undefined ? undefined : withAlert(known, alert),
  );
  void client.invalidateQueries({ queryKey: keys.alertLog });
}

const alertPath = (id: string) => `/api/alerts/${encodeURIComponent(id)}`;

/** Takes an alert up. */
export function useAcknowledge() {
  const client = useQueryClient();
  return useMutation({
    networkMode: "always",
    mutationFn: ({ id }: Alert) => request<Alert>("POST", `${alertPath(id)}/ack`),
    onSuccess: (alert) => patchAlert(client, alert),
  });
}

/** Hears nothing of an alert for a while. */
export function useSnooze() {
  const client = useQueryClient();
  return useMutation({
    networkMode: "always",
    mutationFn: ({ alert, minutes }: { alert: Alert; minutes: number }) =>
      request<Alert>("POST", `${alertPath(alert.id)}/snooze`, { body: { minutes } }),
    onSuccess: (alert) => patchAlert(client, alert),
  });
}

/** The tenant's rules. */
export function useAlertRules(): UseQueryResult<AlertRule[]> {
  return useQuery({
    queryKey: keys.alertRules,
    queryFn: ({ signal }) => everything<AlertRule>("/api/alert-rules", {}, MAX_RULES, signal),
  });
}

/** What a rule says, without what the server adds. */
export type RuleBody = Pick<AlertRule, "name" | "severity" | "enabled" | "condition">;

const rulePath = (id: string) => `/api/alert-rules/${encodeURIComponent(id)}`;

/** Makes a rule, or changes the one with the id. */
export function useSaveRule() {
  const client = useQueryClient();
  return useMutation({
    networkMode: "always",
    mutationFn: ({ id, body }: { id: string | undefined; body: RuleBody }) =>
      id === undefined
        ? request<AlertRule>("POST", "/api/alert-rules", { body })
        : request<AlertRule>("PATCH", rulePath(id), { body }),
    onSuccess: (saved) =>
      client.setQueryData<AlertRule[]>(keys.alertRules, (known = []) =>
        known.some(({ id }) => id === saved.id)
          ? known.map((rule) => (rule.id === saved.id ? saved : rule))
          : [...known, saved],
      ),
  });
}

/** Takes a rule away. Its open alerts clear. */
export function useRemoveRule() {
  const client = useQueryClient();
  return useMutation({
    networkMode: "always",
    mutationFn: (id: string) => request("DELETE", rulePath(id)),
    onSuccess: (_, removed) => {
      client.setQueryData<AlertRule[]>(keys.alertRules, (known) =>
        known?.filter(({ id }) => id !== removed),
      );
      void client.invalidateQueries({ queryKey: keys.openAlerts });
    },
  });
}

/** When a condition would have fired within a time. */
export function usePreview(
  condition: AlertCondition | undefined,
  from: string,
  to: string,
): UseQueryResult<AlertPreview> {
  return useQuery({
    queryKey: ["alert preview", condition, from, to],
    enabled: condition !== undefined,
    placeholderData: keepPreviousData,
    retry: false,
    queryFn: ({ signal }) =>
      request<AlertPreview>("POST", "/api/alert-rules/preview", {
        body: { condition, from, to },
        signal,
      }),
  });
}
