import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Card } from "@/components/page";
import { Loaded } from "@/components/states";
import { Skeleton } from "@/components/ui/skeleton";

interface Props<T> {
  query: UseQueryResult<T>;
  /** As the subject of a sentence: "The durations". */
  what: string;
  children: (data: T) => ReactNode;
}

/** A report's card, or what is there instead: one that fails leaves the others alone. */
export function ReportState<T>({ query, what, children }: Props<T>) {
  if (query.data !== undefined && !query.isError) return children(query.data);
  return (
    <Card className="min-h-72">
      <Loaded
        query={query}
        what={what}
        loading={
          <div role="status" className="p-4">
            <span className="sr-only">Loading {what.toLowerCase()}</span>
            <Skeleton className="mb-4 h-4 w-32" />
            <Skeleton className="h-56" />
          </div>
        }
      >
        {children}
      </Loaded>
    </Card>
  );
}
