import { History } from "lucide-react";
import { useState } from "react";
import { usePreview } from "@/api/alerts";
import { dayLimit } from "@/api/calls";
import { errorText } from "@/api/client";
import { daysOf } from "@/pages/history/filters";
import { Select } from "@/components/ui/select";
import { cn } from "@/lib/cn";
import { momentWithZone, timeWithSeconds } from "@/lib/format";
import { useSettled } from "@/lib/settled";
import { serverNow } from "@/lib/ticker";
import type { AlertCondition } from "@/wire/AlertCondition";
import type { AlertPreview } from "@/wire/AlertPreview";

const TIMES = [
  ["yesterday", "yesterday"],
  ["today", "today"],
  ["7d", "in the last 7 days"],
] as const;
type Time = (typeof TIMES)[number][0];

/** Firings that are named. */
const NAMED = 5;

interface Props {
  /** `undefined` while the form is not right. */
  condition: AlertCondition | undefined;
}

/** What the rule would have found in the calls there were. */
export function RulePreview({ condition }: Props) {
  const [time, setTime] = useState<Time>("yesterday");
  const [now] = useState(serverNow);
  const { first, last } = daysOf(time, now);
  const settled = useSettled(condition === undefined ? "" : JSON.stringify(condition));
  const asked = settled === "" ? undefined : (JSON.parse(settled) as AlertCondition);
  const preview = usePreview(asked, dayLimit(first, false) ?? "", dayLimit(last, true) ?? "");
  const word = TIMES.find(([each]) => each === time)?.[1] ?? "";
  return (
    <div
      data-testid="preview"
      className="grid gap-1 rounded-lg border border-line bg-sunken p-3 dark:bg-surface"
    >
      <div className="flex items-center gap-2">
        <History aria-hidden className="size-4 shrink-0 text-ink-faint" />
        <p
          role="status"
          className={cn("min-w-0 flex-1", preview.isPlaceholderData && "opacity-60")}
        >
          {condition === undefined ? (
            <span className="text-ink-soft">What it would have found is told here.</span>
          ) : preview.isError ? (
            <span className="text-bad-ink">{errorText(preview.error)}</span>
          ) : preview.data === undefined ? (
            <span className="text-ink-soft">Looking through the calls…</span>
          ) : (
            <Found preview={preview.data} when={word} />
          )}
        </p>
        <Select
          aria-label="Time looked at"
          value={time}
          options={TIMES}
          onChange={setTime}
          className="h-7 shrink-0 text-xs"
        />
      </div>
      {preview.data?.known === true && condition !== undefined && !preview.isError && (
        <Firings preview={preview.data} />
      )}
    </div>
  );
}

function Found({ preview, when }: { preview: AlertPreview; when: string }) {
  const { known, count, calls } = preview;
  if (!known) {
    return (
      <span className="text-ink-soft">
        Stored calls do not tell this: it is found while calls go on.
      </span>
    );
  }
  const times = count === 1 ? "once" : `${count} times`;
  return (
    <>
      Would have fired{" "}
      <strong className="font-semibold tabular-nums">{count === 0 ? "never" : times}</strong> {when}
      <span className="text-ink-soft"> ({calls} calls)</span>
    </>
  );
}

function Firings({ preview: { firings, count } }: { preview: AlertPreview }) {
  if (firings.length === 0) return null;
  const named = firings.slice(0, NAMED);
  return (
    <p className="pl-6 text-xs text-ink-soft tabular-nums">
      {named.map(({ firedAt }, at) => (
        <span key={`${firedAt} ${at}`} title={momentWithZone(firedAt)}>
          {at > 0 && ", "}
          {timeWithSeconds(firedAt)}
        </span>
      ))}
      {count > named.length && ` and ${count - named.length} more`}
    </p>
  );
}
