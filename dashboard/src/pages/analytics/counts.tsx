import type { UseQueryResult } from "@tanstack/react-query";
import { MAX_OUTCOME_HOURS, useMetrics, type Asked, type Compared } from "@/api/analytics";
import { duration as durationText, words } from "@/lib/format";
import { serverNow } from "@/lib/ticker";
import type { FeedbackReport } from "@/wire/FeedbackReport";
import type { TagsReport } from "@/wire/TagsReport";
import type { UtilizationReport } from "@/wire/UtilizationReport";
import { BarList } from "./bar-list";
import { ChartCard } from "./chart-card";
import { ReportState } from "./report-state";

interface Props<R> {
  query: UseQueryResult<Compared<R>>;
}

const percent = (share: number) => `${Math.round(share * 100)} %`;

/** How busy each agent was. */
export function Utilization({ query }: Props<UtilizationReport>) {
  return (
    <ReportState query={query} what="The utilisation">
      {({ now: { agents } }) => (
        <ChartCard
          title="Utilisation"
          text="Share of the period in which an agent had a call."
          file="utilization"
          figures={{
            columns: ["Agent", "Calls", "Talk seconds", "Busy seconds", "Utilisation"],
            rows: agents.map((agent) => [
              agent.agentName ?? agent.agentId,
              agent.calls,
              agent.talkSeconds,
              agent.busySeconds,
              Number(agent.utilization.toFixed(4)),
            ]),
          }}
          empty={agents.length === 0 ? "No agent had a call." : undefined}
        >
          <BarList
            bars={agents.map(({ agentId, agentName, utilization, busySeconds }) => ({
              key: agentId,
              name: agentName ?? agentId,
              share: utilization,
              text: `${percent(utilization)} · ${durationText(busySeconds)}`,
            }))}
          />
        </ChartCard>
      )}
    </ReportState>
  );
}

/** What calls were tagged with. */
export function Tags({ query }: Props<TagsReport>) {
  return (
    <ReportState query={query} what="The tags">
      {({ now: { tags, calls, untagged } }) => (
        <ChartCard
          title="Tags"
          text={`${untagged.toLocaleString()} of ${calls.toLocaleString()} calls have none.`}
          file="tags"
          figures={{
            columns: ["Tag", "Calls", "Ended", "Average seconds", "Success %"],
            rows: tags.map((each) => [
              each.tag,
              each.calls,
              each.ended,
              Math.round(each.averageSeconds),
              Math.round(each.successRate),
            ]),
          }}
          empty={tags.length === 0 ? "No call has a tag." : undefined}
        >
          <BarList
            bars={tags.map(({ tag, calls: count }) => ({
              key: tag,
              name: tag,
              share: count / (tags[0]?.calls ?? 1),
              text: count.toLocaleString(),
            }))}
          />
        </ChartCard>
      )}
    </ReportState>
  );
}

/** What people thought of calls. */
export function Feedback({ query }: Props<FeedbackReport>) {
  return (
    <ReportState query={query} what="The feedback">
      {({ now: { count, averageRating, ratings } }) => (
        <ChartCard
          title="Feedback"
          text={
            count === 0 ? "Stars given to calls." : `${averageRating.toFixed(1)} of 5, by ${count}.`
          }
          file="feedback"
          figures={{
            columns: ["Stars", "Given"],
            rows: ratings.map((given, at) => [String(at + 1), given]),
          }}
          empty={count === 0 ? "Nobody has rated a call." : undefined}
        >
          <BarList
            bars={ratings
              .map((given, at) => ({
                key: String(at),
                name: `${at + 1} ${at === 0 ? "star" : "stars"}`,
                share: given / Math.max(1, ...ratings),
                text: given.toLocaleString(),
              }))
              .reverse()}
          />
        </ChartCard>
      )}
    </ReportState>
  );
}

/** What came of the calls. */
export function Outcomes({ asked }: { asked: Asked }) {
  const wanted = Math.ceil((serverNow() - asked.period.from.getTime()) / 3_600_000);
  const hours = Math.min(MAX_OUTCOME_HOURS, Math.max(1, wanted));
  const query = useMetrics(hours);
  return (
    <ReportState query={query} what="The outcomes">
      {({ outcome_counts: counts, success_rate: success }) => {
        const outcomes = Object.entries(counts).sort(([, a], [, b]) => b - a);
        const all = outcomes.reduce((sum, [, count]) => sum + count, 0);
        return (
          <ChartCard
            title="Outcomes"
            text={`Of the last ${hours} hours: ${Math.round(success)} % ran their course.`}
            file="outcomes"
            figures={{ columns: ["Outcome", "Calls"], rows: outcomes }}
            empty={all === 0 ? "No call has ended." : undefined}
          >
            <BarList
              bars={outcomes.map(([outcome, count]) => ({
                key: outcome,
                name: words(outcome),
                share: count / all,
                text: `${count.toLocaleString()} · ${percent(count / all)}`,
              }))}
            />
          </ChartCard>
        );
      }}
    </ReportState>
  );
}
