import { useQuery } from "@tanstack/react-query";
import { request } from "@/api/client";
import { keys } from "@/api/query";
import { reportOf } from "@/lib/report";
import type { Call } from "@/wire/Call";
import { CallSection } from "./section";

/** What was made of the call: its summary, cost and analysis, where somebody reported any. */
export function CallReport({ call }: { call: Call }) {
  const { data } = useQuery({
    queryKey: keys.metadata(call.id),
    queryFn: ({ signal }) =>
      request<Record<string, unknown>>(
        "GET",
        `/api/calls/${encodeURIComponent(call.id)}/metadata`,
        { signal },
      ),
  });
  const { summary, entries } = reportOf(data ?? {});
  if (summary === undefined && entries.length === 0) return null;
  return (
    <CallSection title="Report">
      {summary !== undefined && <p className="break-words whitespace-pre-wrap">{summary}</p>}
      {entries.length > 0 && (
        <dl className="mt-2 grid grid-cols-[minmax(0,8rem)_minmax(0,1fr)] gap-x-3 gap-y-1.5">
          {entries.map(([name, value], at) => (
            <div key={at} className="contents">
              <dt className="truncate text-ink-soft" title={name}>
                {name}
              </dt>
              <dd className="break-words">{value}</dd>
            </div>
          ))}
        </dl>
      )}
    </CallSection>
  );
}
