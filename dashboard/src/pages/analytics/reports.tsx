import { useReport, type Asked } from "@/api/analytics";
import { Feedback, Outcomes, Tags, Utilization } from "./counts";
import { Headline } from "./headline";
import { CallsOverTime, Concurrency, Durations, Peaks } from "./series";

interface Props {
  asked: Asked;
  compare: boolean;
}

/** Every report of a period. */
export function Reports({ asked, compare }: Props) {
  const duration = useReport("duration", asked, compare);
  const peaks = useReport("peaks", asked, compare);
  const hourly = useReport("peaks", { ...asked, bucket: "hour" }, false);
  const concurrency = useReport("concurrency", asked, compare);
  const utilization = useReport("utilization", asked, compare);
  const tags = useReport("tags", asked, compare);
  const feedback = useReport("feedback", asked, compare);
  return (
    <div className="mx-auto grid max-w-7xl gap-4 p-4">
      <Headline
        peaks={peaks}
        duration={duration}
        concurrency={concurrency}
        feedback={feedback}
        compare={compare}
      />
      <div className="grid gap-4 lg:grid-cols-2">
        <CallsOverTime asked={asked} query={peaks} compare={compare} />
        <Durations asked={asked} query={duration} compare={compare} />
        <Peaks query={hourly} />
        <Concurrency asked={asked} query={concurrency} compare={compare} />
      </div>
      <div className="grid gap-4 lg:grid-cols-2 xl:grid-cols-4">
        <Utilization query={utilization} />
        <Outcomes asked={asked} />
        <Tags query={tags} />
        <Feedback query={feedback} />
      </div>
    </div>
  );
}
