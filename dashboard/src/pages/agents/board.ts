import type { Agent } from "@/wire/Agent";
import type { AgentStatus } from "@/wire/AgentStatus";

const ORDER: Record<AgentStatus, number> = { Available: 0, Busy: 1, Offline: 2 };

/** The agents that match every word, who is here first, those in calls among them first. */
export function boardOf(
  agents: readonly Agent[],
  search: string,
  status: AgentStatus | "",
): Agent[] {
  const wanted = search.toLowerCase().split(/\s+/).filter(Boolean);
  return agents
    .filter((agent) => {
      if (status !== "" && agent.status !== status) return false;
      const text = [agent.name, agent.username, agent.currentCall?.customerName ?? ""]
        .join("\n")
        .toLowerCase();
      return wanted.every((word) => text.includes(word));
    })
    .sort(
      (a, b) =>
        Number(b.currentCall !== undefined) - Number(a.currentCall !== undefined) ||
        ORDER[a.status] - ORDER[b.status] ||
        a.name.localeCompare(b.name),
    );
}

/** How many there are of each. */
export function tally(agents: readonly Agent[]) {
  const counts: Record<AgentStatus | "inCall", number> = {
    Available: 0,
    Busy: 0,
    Offline: 0,
    inCall: 0,
  };
  for (const { status, currentCall } of agents) {
    counts[status] += 1;
    if (currentCall !== undefined) counts.inCall += 1;
  }
  return counts;
}
