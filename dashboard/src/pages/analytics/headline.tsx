import type { UseQueryResult } from "@tanstack/react-query";
import { ArrowDown, ArrowUp } from "lucide-react";
import type { Compared } from "@/api/analytics";
import { Card } from "@/components/page";
import { Skeleton } from "@/components/ui/skeleton";
import { duration as durationText } from "@/lib/format";
import { change } from "@/lib/period";
import type { ConcurrencyReport } from "@/wire/ConcurrencyReport";
import type { DurationReport } from "@/wire/DurationReport";
import type { FeedbackReport } from "@/wire/FeedbackReport";
import type { PeaksReport } from "@/wire/PeaksReport";

interface Props {
  peaks: UseQueryResult<Compared<PeaksReport>>;
  duration: UseQueryResult<Compared<DurationReport>>;
  concurrency: UseQueryResult<Compared<ConcurrencyReport>>;
  feedback: UseQueryResult<Compared<FeedbackReport>>;
  compare: boolean;
}

/** The figures that are asked for first. */
export function Headline({ peaks, duration, concurrency, feedback, compare }: Props) {
  const rated = (report: FeedbackReport | undefined) =>
    report === undefined || report.count === 0 ? undefined : report.averageRating;
  return (
    <dl className="grid grid-cols-2 gap-4 lg:grid-cols-4">
      <Figure
        name="Calls"
        value={peaks.data?.now.calls}
        before={peaks.data?.before?.calls}
        format={(value) => value.toLocaleString()}
        compare={compare}
      />
      <Figure
        name="Average length"
        value={duration.data?.now.averageSeconds}
        before={duration.data?.before?.averageSeconds}
        format={durationText}
        compare={compare}
      />
      <Figure
        name="Most at once"
        value={concurrency.data?.now.maximum}
        before={concurrency.data?.before?.maximum}
        format={String}
        compare={compare}
      />
      <Figure
        name="Rating"
        value={feedback.data === undefined ? undefined : (rated(feedback.data.now) ?? null)}
        before={rated(feedback.data?.before)}
        format={(value) => `${value.toFixed(1)} of 5`}
        compare={compare}
      />
    </dl>
  );
}

interface FigureProps {
  name: string;
  /** Nothing: it is still to come; `null`: there is none. */
  value: number | null | undefined;
  before: number | undefined;
  format: (value: number) => string;
  compare: boolean;
}

function Figure({ name, value, before, format, compare }: FigureProps) {
  return (
    <Card className="px-4 py-3">
      <dt className="text-xs text-ink-soft">{name}</dt>
      <dd>
        <span data-testid={`figure-${name}`} className="text-xl font-semibold tabular-nums">
          {value === undefined ? (
            <Skeleton className="my-1 h-5 w-16" />
          ) : value === null ? (
            "–"
          ) : (
            format(value)
          )}
        </span>
        {compare && (
          <span className="block text-xs text-ink-soft">
            {value === undefined ? (
              <Skeleton className="mt-1 h-3 w-28" />
            ) : (
              <Delta value={value ?? undefined} before={before} format={format} />
            )}
          </span>
        )}
      </dd>
    </Card>
  );
}

interface DeltaProps {
  value: number | undefined;
  before: number | undefined;
  format: (value: number) => string;
}

/** How it was before. Neither way is good or bad by itself, so that it has no colour. */
function Delta({ value, before, format }: DeltaProps) {
  const percent = value === undefined ? null : change(value, before);
  if (percent === null || before === undefined) return "Nothing to compare";
  const Icon = percent >= 0 ? ArrowUp : ArrowDown;
  return (
    <span className="inline-flex items-center gap-1 tabular-nums">
      {percent !== 0 && <Icon aria-hidden className="size-3" />}
      <span className="sr-only">{percent >= 0 ? "up by" : "down by"}</span>
      {Math.abs(percent)} %, was {format(before)}
    </span>
  );
}
