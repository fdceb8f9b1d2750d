import { BellOff, Check, Info, LoaderCircle, OctagonAlert, TriangleAlert } from "lucide-react";
import { Link } from "wouter";
import { useAcknowledge, useAlertsOf, useSnooze } from "@/api/alerts";
import { errorText } from "@/api/client";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import {
  DropdownMenu,
  DropdownMenuContent,
  DropdownMenuItem,
  DropdownMenuLabel,
  DropdownMenuTrigger,
} from "@/components/ui/dropdown-menu";
import { Tooltip } from "@/components/ui/tooltip";
import { cn } from "@/lib/cn";
import { moment, momentWithZone, sentence, words } from "@/lib/format";
import { useNow } from "@/lib/ticker";
import type { Alert } from "@/wire/Alert";
import type { Severity } from "@/wire/Severity";

const SEVERITIES = {
  info: { icon: Info, ink: "text-accent-ink" },
  warning: { icon: TriangleAlert, ink: "text-warn-ink" },
  critical: { icon: OctagonAlert, ink: "text-bad-ink" },
} as const;

/** How bad it is: sign and colour, with the word for screen readers. */
export function SeverityIcon({ severity }: { severity: Severity }) {
  const { icon: Icon, ink } = SEVERITIES[severity];
  return (
    <span title={words(severity)} className={cn("inline-flex", ink)}>
      <Icon aria-hidden className="size-4" />
      <span className="sr-only">{words(severity)}</span>
    </span>
  );
}

/** What fires about a call: the worst of it, all of it on hover. */
export function CallAlerts({ callId }: { callId: string }) {
  const alerts = useAlertsOf(callId) ?? [];
  const [worst] = [...alerts].sort((a, b) => BY_WORST[a.severity] - BY_WORST[b.severity]);
  if (worst === undefined) return null;
  const { icon: Icon, ink } = SEVERITIES[worst.severity];
  const text = alerts.map(({ name }) => name).join(", ");
  return (
    <Tooltip content={text}>
      <span data-testid="call-alert" className={cn("inline-flex shrink-0", ink)}>
        <Icon aria-hidden className="size-4" />
        <span className="sr-only">Alert: {text}</span>
      </span>
    </Tooltip>
  );
}

const BY_WORST: Record<Severity, number> = { critical: 0, warning: 1, info: 2 };

const SNOOZES = [
  [15, "15 minutes"],
  [60, "An hour"],
  [240, "4 hours"],
  [1_440, "A day"],
] as const;

interface Props {
  alert: Alert;
  /** Whether the role may take it up. */
  may: boolean;
  /** In a narrow list: what can be done stands below. */
  narrow?: boolean;
  /** What is to happen when the way to what it is about was taken. */
  onLeave?: () => void;
}

/** An alert with where it stands, and what can be done about it. */
export function AlertLine({ alert, may, narrow = false, onLeave }: Props) {
  const { severity, name, message, callId, state, firedAt } = alert;
  const now = useNow();
  return (
    <li
      data-testid="alert"
      data-state={state}
      className={cn(
        "grid grid-cols-[1.25rem_minmax(0,1fr)] gap-2 px-4 py-3",
        !narrow && "sm:grid-cols-[1.25rem_minmax(0,1fr)_auto]",
      )}
    >
      <SeverityIcon severity={severity} />
      <div className="min-w-0">
        <p className="flex flex-wrap items-center gap-x-2">
          <span className="min-w-0 font-medium break-words">{name}</span>
          <StateBadge alert={alert} />
        </p>
        <p className="break-words text-ink-soft">{sentence(message)}</p>
        <p className="flex flex-wrap gap-x-2 text-xs text-ink-soft">
          <time dateTime={firedAt} title={momentWithZone(firedAt)} className="tabular-nums">
            {moment(firedAt, now)}
          </time>
          <Standing alert={alert} now={now} />
          {callId !== undefined && (
            <Link
              href={state === "cleared" ? `/history/${callId}` : `/live/${callId}`}
              onClick={onLeave}
              className="font-medium text-accent-ink hover:underline"
            >
              Open the call
            </Link>
          )}
        </p>
      </div>
      {may && state !== "cleared" && <Acts alert={alert} narrow={narrow} />}
    </li>
  );
}

function StateBadge({ alert: { state } }: { alert: Alert }) {
  if (state === "firing") return <Badge tone="bad">Firing</Badge>;
  return <Badge>{words(state)}</Badge>;
}

/** Who has taken it up, until when it is silent, when it cleared. */
function Standing({ alert, now }: { alert: Alert; now: number }) {
  const { state, acknowledgedBy, snoozedUntil, clearedAt } = alert;
  if (state === "acknowledged" && acknowledgedBy !== undefined) {
    return <span>taken up by {acknowledgedBy.name}</span>;
  }
  if (state === "snoozed" && snoozedUntil !== undefined) {
    return <span className="tabular-nums">silent until {moment(snoozedUntil, now)}</span>;
  }
  if (state === "cleared" && clearedAt !== undefined) {
    return <span className="tabular-nums">cleared {moment(clearedAt, now)}</span>;
  }
  return null;
}

function Acts({ alert, narrow }: { alert: Alert; narrow: boolean }) {
  const acknowledge = useAcknowledge();
  const snooze = useSnooze();
  const error = acknowledge.error ?? snooze.error;
  const pending = acknowledge.isPending || snooze.isPending;
  return (
    <div
      className={cn(
        "flex flex-wrap items-start gap-1 max-sm:col-start-2",
        narrow ? "col-start-2" : "sm:justify-end",
      )}
    >
      {alert.state !== "acknowledged" && (
        <Button disabled={pending} onClick={() => acknowledge.mutate(alert)}>
          {acknowledge.isPending ? (
            <LoaderCircle aria-hidden className="animate-spin" />
          ) : (
            <Check aria-hidden />
          )}
          Acknowledge
        </Button>
      )}
      <DropdownMenu>
        <DropdownMenuTrigger asChild>
          <Button variant="quiet" disabled={pending}>
            <BellOff aria-hidden />
            Snooze
          </Button>
        </DropdownMenuTrigger>
        <DropdownMenuContent align="end">
          <DropdownMenuLabel className="text-xs text-ink-soft">Nothing of it for</DropdownMenuLabel>
          {SNOOZES.map(([minutes, word]) => (
            <DropdownMenuItem key={minutes} onSelect={() => snooze.mutate({ alert, minutes })}>
              {word}
            </DropdownMenuItem>
          ))}
        </DropdownMenuContent>
      </DropdownMenu>
      {error !== null && (
        <p role="alert" className="w-full text-xs text-bad-ink">
          {errorText(error)}
        </p>
      )}
    </div>
  );
}
