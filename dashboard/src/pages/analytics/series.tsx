import type { UseQueryResult } from "@tanstack/react-query";
import type { Asked, Compared } from "@/api/analytics";
import { duration as durationText, momentWithZone } from "@/lib/format";
import { heat, points, type Point } from "@/lib/period";
import type { ConcurrencyReport } from "@/wire/ConcurrencyReport";
import type { DurationReport } from "@/wire/DurationReport";
import type { PeaksReport } from "@/wire/PeaksReport";
import { ChartCard, type Figures } from "./chart-card";
import { HeatMap, heatFigures } from "./heat-map";
import { ReportState } from "./report-state";
import { bucketName, TimeChart } from "./time-chart";

interface Props<R> {
  asked: Asked;
  query: UseQueryResult<Compared<R>>;
  compare: boolean;
}

const NO_CALLS = "No calls in this period.";

function earlier<B>(report: { buckets: readonly B[] } | undefined, asked: Asked) {
  return report === undefined ? undefined : { buckets: report.buckets, days: asked.period.days };
}

/** Points as a table. */
function figures(series: readonly Point[], { bucket }: Asked, name: string): Figures {
  const compared = series.some(({ before }) => before !== null);
  return {
    columns: ["From", name, ...(compared ? ["Before"] : [])],
    rows: series.map(({ at, value, before }) => [
      bucketName(at, bucket),
      value,
      ...(compared ? [before] : []),
    ]),
  };
}

/** How many calls began when. */
export function CallsOverTime({ asked, query, compare }: Props<PeaksReport>) {
  return (
    <ReportState query={query} what="The calls">
      {({ now, before }) => {
        const series = points(now.buckets, ({ calls }) => calls, earlier(before, asked));
        return (
          <ChartCard
            title="Calls"
            text="That began, by time."
            file="calls"
            figures={figures(series, asked, "Calls")}
            empty={now.calls === 0 ? NO_CALLS : undefined}
          >
            <TimeChart
              points={series}
              bucket={asked.bucket}
              name="Calls"
              shape="bars"
              format={String}
              compared={compare}
            />
          </ChartCard>
        );
      }}
    </ReportState>
  );
}

/** How long calls were. */
export function Durations({ asked, query, compare }: Props<DurationReport>) {
  return (
    <ReportState query={query} what="The durations">
      {({ now, before }) => {
        const series = points(
          now.buckets,
          ({ ended, averageSeconds }) => (ended === 0 ? null : Math.round(averageSeconds)),
          earlier(before, asked),
        );
        return (
          <ChartCard
            title="Average length"
            text={`Of calls that have ended: ${now.ended.toLocaleString()}.`}
            file="duration"
            figures={figures(series, asked, "Average seconds")}
            empty={now.ended === 0 ? "No call has ended in this period." : undefined}
          >
            <TimeChart
              points={series}
              bucket={asked.bucket}
              name="Average length"
              shape="line"
              format={durationText}
              compared={compare}
            />
          </ChartCard>
        );
      }}
    </ReportState>
  );
}

/** At which hours of which days most calls come. */
export function Peaks({ query }: Pick<Props<PeaksReport>, "query">) {
  return (
    <ReportState query={query} what="The peaks">
      {({ now }) => {
        const grid = heat(now.buckets);
        return (
          <ChartCard
            title="Peaks"
            text="Calls by weekday and hour."
            file="peaks"
            figures={heatFigures(grid)}
            empty={now.calls === 0 ? NO_CALLS : undefined}
          >
            <HeatMap grid={grid} />
          </ChartCard>
        );
      }}
    </ReportState>
  );
}

/** How many calls there were at once. */
export function Concurrency({ asked, query, compare }: Props<ConcurrencyReport>) {
  return (
    <ReportState query={query} what="The calls at once">
      {({ now, before }) => {
        const series = points(now.buckets, ({ maximum }) => maximum, earlier(before, asked));
        const when = now.maximumAt === undefined ? "" : ` on ${momentWithZone(now.maximumAt)}`;
        return (
          <ChartCard
            title="Calls at once"
            text={`At most ${now.maximum}${when}.`}
            file="concurrency"
            figures={figures(series, asked, "Most at once")}
            empty={now.maximum === 0 ? NO_CALLS : undefined}
          >
            <TimeChart
              points={series}
              bucket={asked.bucket}
              name="Most at once"
              format={String}
              compared={compare}
              shape="bars"
            />
          </ChartCard>
        );
      }}
    </ReportState>
  );
}
