import { Download, RefreshCw } from "lucide-react";
import { useState } from "react";
import { exportUrl, type Asked } from "@/api/analytics";
import { useBranches } from "@/api/branches";
import { maySeeFigures } from "@/api/session";
import { FilterMenu } from "@/components/filter-menu";
import { Forbidden } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Input } from "@/components/ui/input";
import { Switch } from "@/components/ui/switch";
import { Tooltip } from "@/components/ui/tooltip";
import { bucketsFor, periodOf, RANGES, type Chosen } from "@/lib/period";
import { recall, remember } from "@/lib/storage";
import type { PageProps } from "@/pages/registry";
import type { Bucket } from "@/wire/Bucket";
import { Reports } from "./reports";

/** What is looked at, kept in this browser. */
interface View extends Chosen {
  bucket: Bucket;
  branch: string;
  compare: boolean;
}

const FIRST: View = {
  range: "week",
  fromDay: "",
  toDay: "",
  bucket: "day",
  branch: "",
  compare: true,
};

const KEY = "sidetone.analytics";

function isView(value: unknown): value is View {
  if (typeof value !== "object" || value === null) return false;
  const view = value as Partial<Record<keyof View, unknown>>;
  return (
    RANGES.some(([name]) => name === view.range) &&
    (view.bucket === "hour" || view.bucket === "day") &&
    [view.fromDay, view.toDay, view.branch].every((each) => typeof each === "string") &&
    typeof view.compare === "boolean"
  );
}

const BUCKETS = [
  ["hour", "By hour"],
  ["day", "By day"],
] as const;

/** How finely a range is shown until somebody says otherwise. */
function usualBucket(chosen: Chosen, now: Date): Bucket {
  const period = periodOf(chosen, now);
  return (typeof period === "string" ? undefined : bucketsFor(period)[0]) ?? "day";
}

const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** How the calls of a period went. */
export default function AnalyticsPage({ me }: PageProps) {
  const [view, setView] = useState(() => recall(KEY, FIRST, isView));
  const [now, setNow] = useState(() => new Date());
  if (!maySeeFigures(me)) {
    return <Forbidden text="Supervisors, admins and auditors see figures. Ask one of them." />;
  }
  const period = periodOf(view, now);
  const set = (part: Partial<View>) => {
    const at = new Date();
    const next = { ...view, ...part };
    if (part.range !== undefined) next.bucket = usualBucket(next, at);
    setView(next);
    setNow(at);
    remember(KEY, next);
  };
  const buckets = typeof period === "string" ? [] : bucketsFor(period);
  const bucket = buckets.includes(view.bucket) ? view.bucket : (buckets[0] ?? "day");
  const asked: Asked | undefined =
    typeof period === "string" ? undefined : { period, bucket, branch: view.branch, tz: ZONE };
  return (
    <div className="flex h-full min-h-0 flex-col">
      <div className="flex min-h-11 shrink-0 flex-wrap items-center gap-2 border-b border-line bg-surface px-4 py-1.5">
        <Choice view={view} bucket={bucket} buckets={buckets} set={set} />
        <div className="flex-1" />
        <Tooltip content={`Days and hours are those of ${ZONE}`}>
          <span tabIndex={0} className="text-xs text-ink-soft">
            {ZONE}
          </span>
        </Tooltip>
        {asked !== undefined && (
          <Button asChild variant="quiet">
            <a href={exportUrl(asked.period)} download title="Every call of the period, as CSV">
              <Download aria-hidden />
              Export the calls
            </a>
          </Button>
        )}
        <Button
          variant="quiet"
          size="icon"
          aria-label="Look again"
          title="Look again"
          onClick={() => setNow(new Date())}
        >
          <RefreshCw aria-hidden />
        </Button>
      </div>
      <div className="min-h-0 flex-1 overflow-y-auto">
        {asked === undefined ? (
          <p role="alert" className="p-6 text-ink-soft">
            {typeof period === "string" ? period : ""}
          </p>
        ) : (
          <Reports asked={asked} compare={view.compare} />
        )}
      </div>
    </div>
  );
}

interface SegmentsProps<T extends string> {
  label: string;
  value: T;
  options: readonly (readonly [T, string])[];
  onChange: (value: T) => void;
}

/** One of few, all of them seen. */
function Segments<T extends string>({ label, value, options, onChange }: SegmentsProps<T>) {
  return (
    <div role="group" aria-label={label} className="flex gap-0.5 rounded-lg bg-sunken p-0.5">
      {options.map(([each, name]) => (
        <Button
          key={each}
          variant={each === value ? "outline" : "quiet"}
          className="h-6"
          aria-pressed={each === value}
          onClick={() => onChange(each)}
        >
          {name}
        </Button>
      ))}
    </div>
  );
}

interface ChoiceProps {
  view: View;
  bucket: Bucket;
  buckets: readonly Bucket[];
  set: (part: Partial<View>) => void;
}

function Choice({ view, bucket, buckets, set }: ChoiceProps) {
  const branches = useBranches().data ?? [];
  return (
    <>
      <Segments
        label="Range"
        value={view.range}
        options={RANGES}
        onChange={(range) => set({ range })}
      />
      {view.range === "custom" && <Days view={view} set={set} />}
      {buckets.length > 1 && (
        <Segments
          label="By"
          value={bucket}
          options={BUCKETS.filter(([each]) => buckets.includes(each))}
          onChange={(next) => set({ bucket: next })}
        />
      )}
      {branches.length > 0 && (
        <FilterMenu
          label="Branch"
          unlimited="All branches"
          value={view.branch}
          onChange={(branch) => set({ branch })}
          options={[
            ["", "All branches"] as const,
            ...branches.map(({ id, name }) => [id, name] as const),
          ]}
        />
      )}
      <label className="flex items-center gap-2 pl-1 text-xs">
        <Switch checked={view.compare} onCheckedChange={(compare) => set({ compare })} />
        Compare to the period before
      </label>
    </>
  );
}

function Days({ view, set }: Pick<ChoiceProps, "view" | "set">) {
  const day = (which: "fromDay" | "toDay", label: string) => (
    <label className="flex items-center gap-1.5 text-xs text-ink-soft">
      {label}
      <Input
        type="date"
        max="9999-12-31"
        value={view[which]}
        className="h-7 w-32 text-xs tabular-nums"
        onChange={(event) => set({ [which]: event.target.value })}
      />
    </label>
  );
  return (
    <>
      {day("fromDay", "From")}
      {day("toDay", "To")}
    </>
  );
}
