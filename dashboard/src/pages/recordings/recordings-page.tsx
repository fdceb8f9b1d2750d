import { CircleCheck, Disc2, Lock, OctagonAlert, ServerCrash, TriangleAlert } from "lucide-react";
import type { ReactNode } from "react";
import { Link } from "wouter";
import { ApiError, errorText } from "@/api/client";
import { mayRule, maySeeRecorder, useBacklog, useRetention } from "@/api/recordings";
import { Button } from "@/components/ui/button";
import { Notice } from "@/components/ui/notice";
import { Skeleton } from "@/components/ui/skeleton";
import { cn } from "@/lib/cn";
import { duration, size } from "@/lib/format";
import { keptText } from "@/lib/retention";
import type { PageProps } from "@/pages/registry";
import type { Backlog } from "@/wire/Backlog";
import type { Me } from "@/wire/Me";
import { healthOf, notStored, usedShare, type Health } from "./spool-health";

/** For operators: how each node's recorder fares, and how long recordings are kept. */
export default function RecordingsPage({ me }: PageProps) {
  if (!maySeeRecorder(me)) {
    return (
      <Notice
        icon={Lock}
        title="Not for your role"
        text="Admins and auditors see how the recorder fares. Ask one of them."
      />
    );
  }
  return (
    <div className="h-full overflow-y-auto">
      <div className="mx-auto grid max-w-4xl gap-8 p-6">
        <Recorder />
        <Policy me={me} />
      </div>
    </div>
  );
}

function Heading({ title, text }: { title: string; text: string }) {
  return (
    <div className="mb-3">
      <h2 className="text-sm font-semibold">{title}</h2>
      <p className="text-ink-soft">{text}</p>
    </div>
  );
}

function Recorder() {
  const backlog = useBacklog();
  return (
    <section aria-label="Recorder">
      <Heading
        title="Recorder"
        text="Recordings are written to each gateway's disk first and go from there to the store."
      />
      {backlog.isPending ? (
        <div role="status">
          <span className="sr-only">Loading</span>
          <Skeleton className="h-40" />
        </div>
      ) : backlog.data === undefined ? (
        <Failed error={backlog.error} onRetry={() => void backlog.refetch()} />
      ) : (
        <>
          {backlog.isError && (
            <p role="alert" className="mb-3 text-bad-ink">
              {errorText(backlog.error)} What is shown may be out of date.
            </p>
          )}
          <Nodes backlogs={backlog.data} />
        </>
      )}
    </section>
  );
}

function Failed({ error, onRetry }: { error: unknown; onRetry: () => void }) {
  const forbidden = error instanceof ApiError && error.status === 403;
  return (
    <div className="rounded-lg border border-line bg-surface">
      <Notice
        icon={forbidden ? Lock : ServerCrash}
        title={forbidden ? "Not for you" : "This could not be loaded"}
        text={
          forbidden
            ? "The disks hold recordings of all clients: only admins and auditors of the operator see them."
            : errorText(error)
        }
      >
        {!forbidden && <Button onClick={onRetry}>Try again</Button>}
      </Notice>
    </div>
  );
}

function Nodes({ backlogs }: { backlogs: readonly Backlog[] }) {
  if (backlogs.length === 0) {
    return (
      <div className="rounded-lg border border-line bg-surface">
        <Notice
          icon={Disc2}
          title="No recorder has reported"
          text="A gateway that records tells how it fares every few seconds. Is one running?"
        />
      </div>
    );
  }
  return (
    <div className="grid gap-3">
      {backlogs.map((each) => (
        <Node key={each.node} backlog={each} />
      ))}
    </div>
  );
}

const LEVELS = {
  good: { icon: CircleCheck, ink: "text-good-ink", bar: "bg-good" },
  warn: { icon: TriangleAlert, ink: "text-warn-ink", bar: "bg-warn" },
  bad: { icon: OctagonAlert, ink: "text-bad-ink", bar: "bg-bad" },
} as const;

function Node({ backlog }: { backlog: Backlog }) {
  const health = healthOf(backlog);
  const { icon: Icon, ink } = LEVELS[health.level];
  const counts = [
    ["Recording", backlog.recording],
    ["Being completed", backlog.sealing],
    ["Waiting", backlog.waiting],
    ["Uploading", backlog.uploading],
  ] as const;
  return (
    <article
      data-testid="node"
      data-level={health.level}
      className="rounded-lg border border-line bg-surface p-4"
    >
      <div className="flex items-start gap-2">
        <Icon aria-hidden className={cn("mt-0.5 size-4 shrink-0", ink)} />
        <div className="min-w-0 flex-1">
          <h3 className="truncate font-medium" title={backlog.node}>
            {backlog.node}
          </h3>
          <p className="text-ink-soft">
            <span className={cn("font-medium", ink)}>{health.title}.</span> {health.text}
          </p>
        </div>
      </div>
      <dl className="mt-4 grid grid-cols-2 gap-4 sm:grid-cols-5">
        {counts.map(([name, count]) => (
          <Figure key={name} name={name}>
            {count}
          </Figure>
        ))}
        <Figure name="Oldest waiting">
          {notStored(backlog) === 0 ? "none" : duration(backlog.oldestSeconds)}
        </Figure>
      </dl>
      <Disk backlog={backlog} health={health} />
      {backlog.error !== undefined && (
        <p className="mt-3 rounded-md bg-bad-soft px-3 py-2 text-xs break-words text-bad-ink">
          <span className="font-medium">Last error:</span> {backlog.error}
        </p>
      )}
    </article>
  );
}

function Figure({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt className="text-xs text-ink-soft">{name}</dt>
      <dd className="text-lg font-semibold tabular-nums">{children}</dd>
    </div>
  );
}

function Disk({ backlog, health }: { backlog: Backlog; health: Health }) {
  const percent = Math.round(usedShare(backlog) * 100);
  const text = `${size(backlog.bytes)} of ${size(backlog.budgetBytes)}`;
  return (
    <div className="mt-4">
      <div className="mb-1 flex justify-between text-xs text-ink-soft">
        <span>Disk of the spool</span>
        <span className="tabular-nums">
          {text} · {percent} %
        </span>
      </div>
      <div
        role="meter"
        aria-label="Disk of the spool"
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={percent}
        aria-valuetext={text}
        className="h-1.5 overflow-hidden rounded-full bg-line"
      >
        <div
          className={cn("h-full rounded-full", LEVELS[health.level].bar)}
          style={{ width: `${percent}%` }}
        />
      </div>
    </div>
  );
}

function Policy({ me }: { me: Me }) {
  const retention = useRetention();
  return (
    <section aria-label="Retention">
      <Heading title="Retention" text={`What ${me.clientName} keeps, and for how long.`} />
      {retention.isPending ? (
        <Skeleton className="h-16" />
      ) : retention.isError ? (
        <Failed error={retention.error} onRetry={() => void retention.refetch()} />
      ) : (
        <div className="flex items-center gap-4 rounded-lg border border-line bg-surface p-4">
          <p className="min-w-0 flex-1">{keptText(retention.data)}</p>
          {mayRule(me) && (
            <Button asChild>
              <Link href="/settings">Change</Link>
            </Button>
          )}
        </div>
      )}
    </section>
  );
}
