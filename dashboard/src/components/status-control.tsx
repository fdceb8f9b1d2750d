import { Circle, CircleCheck, CircleMinus } from "lucide-react";
import { useAgents, useSetStatus } from "@/api/agents";
import { errorText } from "@/api/client";
import { Button } from "@/components/ui/button";
import { cn } from "@/lib/cn";
import type { AgentStatus } from "@/wire/AgentStatus";
import type { Me } from "@/wire/Me";

/** How each status looks: sign, colour, and what it means. */
export const STATUSES = {
  Available: { icon: CircleCheck, ink: "text-good-ink", about: "Takes calls" },
  Busy: { icon: CircleMinus, ink: "text-warn-ink", about: "Here, takes no calls" },
  Offline: { icon: Circle, ink: "text-ink-faint", about: "Not here" },
} as const satisfies Record<AgentStatus, unknown>;

export const STATUS_NAMES = Object.keys(STATUSES) as AgentStatus[];

/** Says whether one takes calls. */
export function StatusControl({ me }: { me: Me }) {
  const agents = useAgents();
  const set = useSetStatus(me);
  const mine = agents.data?.find(({ userId }) => userId === me.id)?.status ?? "Offline";
  return (
    <div className="flex flex-wrap items-center gap-2">
      <div role="group" aria-label="Your status" className="flex gap-1">
        {STATUS_NAMES.map((status) => {
          const { icon: Icon, ink, about } = STATUSES[status];
          const on = status === mine;
          return (
            <Button
              key={status}
              variant={on ? "on" : "outline"}
              aria-pressed={on}
              title={about}
              disabled={agents.isPending}
              onClick={() => set.mutate(status)}
            >
              <Icon aria-hidden className={cn(!on && ink)} />
              {status}
            </Button>
          );
        })}
      </div>
      {set.isError && (
        <span role="alert" className="text-bad-ink">
          {errorText(set.error)} Your status is as it was.
        </span>
      )}
    </div>
  );
}
