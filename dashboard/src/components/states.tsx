import type { UseQueryResult } from "@tanstack/react-query";
import { Lock, ServerCrash } from "lucide-react";
import type { ReactNode } from "react";
import { ApiError, errorText } from "@/api/client";
import { Button } from "@/components/ui/button";
import { Notice } from "@/components/ui/notice";
import { Skeleton } from "@/components/ui/skeleton";

/** Bars where content will be. */
export function Loading({ what, rows = 6 }: { what: string; rows?: number }) {
  return (
    <div role="status" className="grid gap-3 p-6">
      <span className="sr-only">Loading {what}</span>
      <Skeleton className="h-5 w-40" />
      {Array.from({ length: rows }, (_, row) => (
        <Skeleton key={row} className="h-9" />
      ))}
    </div>
  );
}

/** Somebody is where their role has nothing to see. */
export function Forbidden({ text }: { text: string }) {
  return <Notice icon={Lock} title="Not for your role" text={text} />;
}

interface FailedProps {
  /** What could not be loaded, as the subject of a sentence: "The rules". */
  what: string;
  error: unknown;
  onRetry: () => void;
}

/** Nothing could be loaded: why, and the way to try again. */
export function Failed({ what, error, onRetry }: FailedProps) {
  return (
    <Notice icon={ServerCrash} title={`${what} could not be loaded`} text={errorText(error)}>
      <Button onClick={onRetry}>Try again</Button>
    </Notice>
  );
}

interface LoadedProps<T> {
  query: UseQueryResult<T>;
  /** What is loaded, as the subject of a sentence: "The rules". */
  what: string;
  /** Instead of bars. */
  loading?: ReactNode;
  /** Who may see it, for those who may not. */
  forbidden?: string;
  children: (data: T) => ReactNode;
}

/** A query's data, or what is shown instead. Data that is there stays, however its renewal went. */
export function Loaded<T>({ query, what, loading, forbidden, children }: LoadedProps<T>) {
  if (query.data !== undefined) {
    return (
      <>
        {query.isError && (
          <p role="alert" className="mb-3 text-bad-ink">
            {errorText(query.error)} What is shown may be out of date.
          </p>
        )}
        {children(query.data)}
      </>
    );
  }
  if (query.isPending) return loading ?? <Loading what={what.toLowerCase()} />;
  if (query.error instanceof ApiError && query.error.status === 403) {
    return <Forbidden text={forbidden ?? "Ask an admin if you need to see this."} />;
  }
  return <Failed what={what} error={query.error} onRetry={() => void query.refetch()} />;
}
