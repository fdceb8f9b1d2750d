import { useQuery, type QueryClient, type UseQueryResult } from "@tanstack/react-query";
import type { Branch } from "@/wire/Branch";
import type { BranchPulse } from "@/wire/BranchPulse";
import { request, type Page } from "./client";
import { keys } from "./query";

/** Branches whose pulse is shown, at most. */
const MAX_BRANCHES = 500;

/** The tenant's branches with how many calls each has now, kept up to date by the socket. */
export function useBranchPulses(): UseQueryResult<Branch[]> {
  return useQuery({
    queryKey: keys.branchPulses,
    queryFn: async ({ signal }) => {
      const found: Branch[] = [];
      let cursor: string | undefined;
      do {
        const query = { limit: 100, cursor };
        const page = await request<Page<Branch>>("GET", "/api/branches", { query, signal });
        found.push(...page.items);
        cursor = page.nextCursor ?? undefined;
      } while (cursor !== undefined && found.length < MAX_BRANCHES);
      return found;
    },
  });
}

/** Lays a branch's count over what is known; of a branch that is new, everything is asked for. */
export function patchPulse(client: QueryClient, { branchId, activeCalls }: BranchPulse): void {
  const known = client.getQueryData<Branch[]>(keys.branchPulses);
  if (known === undefined) return;
  const at = known.findIndex(({ id }) => id === branchId);
  const branch = known[at];
  if (branch === undefined) void client.invalidateQueries({ queryKey: keys.branchPulses });
  else client.setQueryData(keys.branchPulses, known.with(at, { ...branch, activeCalls }));
}
