import { keepPreviousData, useQuery, type UseQueryResult } from "@tanstack/react-query";
import { periodBefore, type Period } from "@/lib/period";
import type { Bucket } from "@/wire/Bucket";
import type { ConcurrencyReport } from "@/wire/ConcurrencyReport";
import type { DurationReport } from "@/wire/DurationReport";
import type { FeedbackReport } from "@/wire/FeedbackReport";
import type { Metrics } from "@/wire/Metrics";
import type { PeaksReport } from "@/wire/PeaksReport";
import type { TagsReport } from "@/wire/TagsReport";
import type { UtilizationReport } from "@/wire/UtilizationReport";
import { request } from "./client";
import { keys } from "./query";

/** The reports by their names in the API. */
interface Reports {
  duration: DurationReport;
  peaks: PeaksReport;
  concurrency: ConcurrencyReport;
  utilization: UtilizationReport;
  tags: TagsReport;
  feedback: FeedbackReport;
}

/** What reports are asked for. */
export interface Asked {
  period: Period;
  bucket: Bucket;
  /** Id of a branch; empty: all of them. */
  branch: string;
  /** IANA name of the zone whose hours and days are meant. */
  tz: string;
}

/** A report, and the same of the period before if it is wanted. */
export interface Compared<R> {
  now: R;
  before: R | undefined;
}

function ask<N extends keyof Reports>(
  name: N,
  { period, bucket, branch, tz }: Asked,
  signal: AbortSignal,
): Promise<Reports[N]> {
  return request("GET", `/api/analytics/${name}`, {
    query: {
      from: period.from.toISOString(),
      to: period.to.toISOString(),
      bucket,
      branch,
      tz,
    },
    signal,
  });
}

/** A report of a period. What was shown stays until the next one is there. */
export function useReport<N extends keyof Reports>(
  name: N,
  asked: Asked,
  compare: boolean,
): UseQueryResult<Compared<Reports[N]>> {
  return useQuery({
    queryKey: [...keys.analytics, name, asked, compare],
    placeholderData: keepPreviousData,
    queryFn: async ({ signal }) => {
      const [now, before] = await Promise.all([
        ask(name, asked, signal),
        compare ? ask(name, { ...asked, period: periodBefore(asked.period) }, signal) : undefined,
      ]);
      return { now, before };
    },
  });
}

/** Hours of which outcomes are counted, at most. */
export const MAX_OUTCOME_HOURS = 168;

/** Figures of the last hours, among them what came of the calls. */
export function useMetrics(hours: number): UseQueryResult<Metrics> {
  return useQuery({
    queryKey: [...keys.analytics, "metrics", hours],
    placeholderData: keepPreviousData,
    queryFn: async ({ signal }) =>
      (
        await request<{ metrics: Metrics }>("GET", "/api/dashboard/metrics", {
          query: { hours },
          signal,
        })
      ).metrics,
  });
}

/** Where the calls of a period are downloaded as CSV. */
export function exportUrl({ from, to }: Period): string {
  const asked = { format: "csv", from: from.toISOString(), to: to.toISOString() };
  return `/api/dashboard/export?${new URLSearchParams(asked).toString()}`;
}
