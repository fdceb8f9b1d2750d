import {
  useMutation,
  useQuery,
  useQueryClient,
  type QueryClient,
  type UseQueryResult,
} from "@tanstack/react-query";
import type { Agent } from "@/wire/Agent";
import type { AgentStatus } from "@/wire/AgentStatus";
import type { Me } from "@/wire/Me";
import { request, type Page } from "./client";
import { keys } from "./query";

/** Most agents that the board shows. */
const MAX_AGENTS = 2_000;

/** Every agent of the tenant, kept up to date by the socket. */
export function useAgents(): UseQueryResult<Agent[]> {
  return useQuery({
    queryKey: keys.agents,
    queryFn: async ({ signal }) => {
      const found: Agent[] = [];
      let cursor: string | undefined;
      do {
        const query = { limit: 100, cursor };
        const page = await request<Page<Agent>>("GET", "/api/agents", { query, signal });
        found.push(...page.items);
        cursor = page.nextCursor ?? undefined;
      } while (cursor !== undefined && found.length < MAX_AGENTS);
      return found;
    },
  });
}

/** Whether somebody may say that they take calls. */
export const mayTakeCalls = (me: Me): boolean => me.role !== "auditor";

/** Lays an agent as they are now over what is known. */
export function patchAgent(client: QueryClient, agent: Agent): void {
  client.setQueryData<Agent[]>(keys.agents, (known) => {
    if (known === undefined) return undefined;
    const at = known.findIndex(({ userId }) => userId === agent.userId);
    return at < 0 ? [...known, agent] : known.with(at, agent);
  });
}

/** Sets one's own status: shown at once, and put back if it is refused. */
export function useSetStatus(me: Me) {
  const client = useQueryClient();
  return useMutation({
    networkMode: "always",
    mutationFn: (status: AgentStatus) =>
      request<Agent>("PUT", "/api/agents/status", { body: { status } }),
    onMutate: (status) => {
      const before = client
        .getQueryData<Agent[]>(keys.agents)
        ?.find(({ userId }) => userId === me.id);
      if (before !== undefined) patchAgent(client, { ...before, status });
      return before;
    },
    onError: (_, __, before) => {
      if (before !== undefined) patchAgent(client, before);
    },
    onSuccess: (agent) => patchAgent(client, agent),
  });
}
