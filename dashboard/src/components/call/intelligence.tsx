import {
  Circle,
  CircleCheck,
  CircleDot,
  CircleSlash,
  Info,
  Minus,
  OctagonAlert,
  TrendingDown,
  TrendingUp,
  TriangleAlert,
  type LucideIcon,
} from "lucide-react";
import type { ReactNode } from "react";
import { hasIntelligence, useIntelligence } from "@/api/intelligence";
import { Badge } from "@/components/ui/badge";
import { cn } from "@/lib/cn";
import { words } from "@/lib/format";
import type { Call } from "@/wire/Call";
import type { LiveIntelligence } from "@/wire/LiveIntelligence";
import type { Mood } from "@/wire/Mood";
import type { PhaseStatus } from "@/wire/PhaseStatus";
import type { Severity } from "@/wire/Severity";
import type { SystemState } from "@/wire/SystemState";
import type { SystemStatus } from "@/wire/SystemStatus";
import { CallSection } from "./section";

const figures = new Intl.NumberFormat(undefined, { maximumFractionDigits: 2 });

/** What models say about the call, while there is anything; nobody misses what never was. */
export function Intelligence({ call }: { call: Call }) {
  const { data } = useIntelligence(call.id);
  if (data === undefined || !hasIntelligence(data)) return null;
  return (
    <CallSection title="Live intelligence">
      <div data-testid="intelligence" className="grid gap-4">
        {data.sentiment !== null && <Sentiment mood={data.sentiment} />}
        <Advice coaching={data.coaching} />
        <NextActions actions={data.nextActions} />
        <Phases phases={data.phases} />
        <Objectives objectives={data.objectives} />
        <Metrics metrics={data.metrics} />
        {data.system !== null && <System system={data.system} />}
      </div>
    </CallSection>
  );
}

function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <div>
      <h4 className="mb-1 text-2xs font-medium text-ink-faint">{title}</h4>
      {children}
    </div>
  );
}

const TRENDS = {
  rising: { icon: TrendingUp, word: "getting better" },
  steady: { icon: Minus, word: "steady" },
  falling: { icon: TrendingDown, word: "getting worse" },
};

/** A scale from bad to good with the mood's place on it. */
function Sentiment({ mood }: { mood: Mood }) {
  const share = (Math.min(1, Math.max(-1, mood.score)) + 1) / 2;
  const trend = mood.trend === undefined ? undefined : TRENDS[mood.trend];
  const Icon = trend?.icon;
  return (
    <Part title="Customer’s mood">
      <div className="flex items-center gap-2">
        <span className="font-medium">{mood.label}</span>
        {trend !== undefined && Icon !== undefined && (
          <span className="inline-flex items-center gap-1 text-xs text-ink-soft">
            <Icon aria-hidden className="size-3.5" />
            {trend.word}
          </span>
        )}
        <span className="ml-auto text-xs text-ink-soft tabular-nums">
          {figures.format(mood.score)}
        </span>
      </div>
      <div
        aria-hidden
        className="relative mt-1.5 h-1.5 rounded-full bg-[linear-gradient(90deg,var(--bad),var(--warn),var(--good))]"
      >
        <span
          className="absolute top-1/2 size-3 -translate-1/2 rounded-full border-2 border-surface bg-ink transition-[left]"
          style={{ left: `${share * 100}%` }}
        />
      </div>
    </Part>
  );
}

const SEVERITIES: Record<Severity, { icon: LucideIcon; ink: string }> = {
  info: { icon: Info, ink: "text-accent-ink" },
  warning: { icon: TriangleAlert, ink: "text-warn-ink" },
  critical: { icon: OctagonAlert, ink: "text-bad-ink" },
};

function Advice({ coaching }: Pick<LiveIntelligence, "coaching">) {
  if (coaching.length === 0) return null;
  return (
    <Part title="Advice for the agent">
      <ul className="grid gap-1.5">
        {coaching.map(({ id, text, severity }) => {
          const { icon: Icon, ink } = SEVERITIES[severity];
          return (
            <li key={id} className="flex gap-2">
              <Icon aria-hidden className={cn("mt-0.5 size-4 shrink-0", ink)} />
              <span className="min-w-0 break-words">
                <span className="sr-only">{words(severity)}: </span>
                {text}
              </span>
            </li>
          );
        })}
      </ul>
    </Part>
  );
}

function NextActions({ actions }: { actions: LiveIntelligence["nextActions"] }) {
  if (actions.length === 0) return null;
  return (
    <Part title="To do next">
      <ol className="grid gap-1.5">
        {actions.map(({ id, text, priority }) => (
          <li key={id} className="flex items-start justify-between gap-2">
            <span className="min-w-0 break-words">{text}</span>
            <Badge tone={priority === "high" ? "bad" : "plain"}>{words(priority)}</Badge>
          </li>
        ))}
      </ol>
    </Part>
  );
}

const PHASES: Record<PhaseStatus, { icon: LucideIcon; ink: string }> = {
  pending: { icon: Circle, ink: "text-ink-faint" },
  active: { icon: CircleDot, ink: "text-accent-ink" },
  done: { icon: CircleCheck, ink: "text-good-ink" },
  skipped: { icon: CircleSlash, ink: "text-ink-faint" },
};

function Phases({ phases }: Pick<LiveIntelligence, "phases">) {
  if (phases.length === 0) return null;
  return (
    <Part title="Phases">
      <ol className="grid gap-1">
        {phases.map(({ name, status }) => {
          const { icon: Icon, ink } = PHASES[status];
          return (
            <li key={name} className="flex items-center gap-2">
              <Icon aria-hidden className={cn("size-4 shrink-0", ink)} />
              <span className={cn("truncate", status === "active" && "font-medium")}>{name}</span>
              <span className="sr-only">{words(status)}</span>
            </li>
          );
        })}
      </ol>
    </Part>
  );
}

function Objectives({ objectives }: Pick<LiveIntelligence, "objectives">) {
  if (objectives.length === 0) return null;
  const done = objectives.filter((each) => each.done).length;
  return (
    <Part title={`Objectives, ${done} of ${objectives.length} reached`}>
      <ul className="grid gap-1">
        {objectives.map((each) => {
          const { icon: Icon, ink } = PHASES[each.done ? "done" : "pending"];
          return (
            <li key={each.id} className="flex gap-2">
              <Icon aria-hidden className={cn("mt-0.5 size-4 shrink-0", ink)} />
              <span className="min-w-0 break-words">
                {each.text}
                <span className="sr-only">{each.done ? " (reached)" : " (open)"}</span>
              </span>
            </li>
          );
        })}
      </ul>
    </Part>
  );
}

function Metrics({ metrics }: Pick<LiveIntelligence, "metrics">) {
  const entries = Object.entries(metrics);
  if (entries.length === 0) return null;
  return (
    <Part title="Figures">
      <dl className="grid grid-cols-[minmax(0,1fr)_auto] gap-x-3 gap-y-1">
        {entries.map(([name, value]) => (
          <div key={name} className="contents">
            <dt className="truncate text-ink-soft">{words(name)}</dt>
            <dd className="text-right tabular-nums">{figures.format(value)}</dd>
          </div>
        ))}
      </dl>
    </Part>
  );
}

const SYSTEMS: Record<SystemStatus, { word: string; look: string }> = {
  ok: { word: "All is well", look: "bg-good" },
  degraded: { word: "Degraded", look: "bg-warn" },
  failing: { word: "Failing", look: "bg-bad" },
};

function System({ system }: { system: SystemState }) {
  const { status, message, model, latencyMs, components } = system;
  const facts = [
    model,
    latencyMs === undefined ? undefined : `answers in ${Math.round(latencyMs)} ms`,
  ].filter((each) => each !== undefined);
  return (
    <Part title="The agent’s system">
      <SystemLine name={SYSTEMS[status].word} status={status} strong />
      {message !== undefined && <p className="break-words text-ink-soft">{message}</p>}
      {facts.length > 0 && <p className="text-xs text-ink-soft">{facts.join(" · ")}</p>}
      {components !== undefined && (
        <div className="mt-1 flex flex-wrap gap-x-3">
          {Object.entries(components).map(([name, each]) => (
            <SystemLine key={name} name={name} status={each} />
          ))}
        </div>
      )}
    </Part>
  );
}

interface SystemLineProps {
  name: string;
  status: SystemStatus;
  strong?: boolean;
}

function SystemLine({ name, status, strong = false }: SystemLineProps) {
  return (
    <span className={cn("inline-flex items-center gap-1.5", strong ? "font-medium" : "text-xs")}>
      <span aria-hidden className={cn("size-2 rounded-full", SYSTEMS[status].look)} />
      {name}
      {!strong && <span className="sr-only">: {SYSTEMS[status].word}</span>}
    </span>
  );
}
