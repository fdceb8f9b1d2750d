import { ArrowRight, Bell as BellIcon } from "lucide-react";
import { useState } from "react";
import { Link } from "wouter";
import { useOpenAlerts } from "@/api/alerts";
import { errorText } from "@/api/client";
import { maySupervise } from "@/api/session";
import { AlertLine } from "@/components/alert-bits";
import { Button } from "@/components/ui/button";
import { Popover, PopoverContent, PopoverTrigger } from "@/components/ui/popover";
import { cn } from "@/lib/cn";
import type { Alert } from "@/wire/Alert";
import type { Me } from "@/wire/Me";

/** Alerts that the bell's list shows; the page has all of them. */
const SHOWN = 6;
/** A count above this is told as more. */
const COUNT_MAX = 99;

const firing = (alerts: readonly Alert[]) => alerts.filter(({ state }) => state === "firing");

/** The alerts that nobody has taken up, wherever one is. */
export function Bell({ me }: { me: Me }) {
  const alerts = useOpenAlerts();
  const [open, setOpen] = useState(false);
  const loud = firing(alerts.data ?? []);
  const count = loud.length;
  const critical = loud.some(({ severity }) => severity === "critical");
  const close = () => setOpen(false);
  return (
    <Popover open={open} onOpenChange={setOpen}>
      <PopoverTrigger asChild>
        <Button
          variant="quiet"
          size="icon"
          data-testid="bell"
          aria-label={count === 0 ? "Alerts: none" : `Alerts: ${count} firing`}
          className="relative"
        >
          <BellIcon aria-hidden />
          {count > 0 && (
            <span
              aria-hidden
              className={cn(
                "absolute -top-0.5 -right-0.5 min-w-4 rounded-full px-1 text-[0.625rem] leading-4 font-semibold tabular-nums",
                critical ? "bg-bad-ink text-surface" : "bg-warn-ink text-surface",
              )}
            >
              {count > COUNT_MAX ? `${COUNT_MAX}+` : count}
            </span>
          )}
        </Button>
      </PopoverTrigger>
      <Announcement latest={loud[0]} />
      <PopoverContent align="end" aria-label="Alerts" className="w-[24rem]">
        {alerts.data === undefined ? (
          <p className="p-4 text-ink-soft">
            {alerts.isError ? errorText(alerts.error) : "Loading…"}
          </p>
        ) : count === 0 ? (
          <p className="p-6 text-center text-ink-soft">Nothing fires at the moment.</p>
        ) : (
          <ul className="max-h-[60vh] divide-y divide-line overflow-y-auto">
            {loud.slice(0, SHOWN).map((alert) => (
              <AlertLine
                key={alert.id}
                narrow
                alert={alert}
                may={maySupervise(me)}
                onLeave={close}
              />
            ))}
          </ul>
        )}
        <div className="border-t border-line p-1">
          <Link
            href="/alerts"
            onClick={close}
            className="flex h-8 items-center gap-1.5 rounded-md px-3 font-medium text-accent-ink hover:bg-hover"
          >
            {count > SHOWN ? `All ${count} on the Alerts page` : "To the Alerts page"}
            <ArrowRight aria-hidden className="size-3.5" />
          </Link>
        </div>
      </PopoverContent>
    </Popover>
  );
}

/** Tells screen readers of an alert that fires while the page is open. */
function Announcement({ latest }: { latest: Alert | undefined }) {
  return (
    <span role="status" className="sr-only">
      {latest === undefined ? "" : `Alert: ${latest.name}. ${latest.message}`}
    </span>
  );
}
