import type { QueryClient } from "@tanstack/react-query";
import type { Branch } from "@/wire/Branch";
import type { BranchPulse } from "@/wire/BranchPulse";
import { keys } from "./query";

/** Lays a branch's count over what is known; of a branch that is new, everything is asked for. */
export function patchPulse(client: QueryClient, { branchId, activeCalls }: BranchPulse): void {
  const known = client.getQueryData<Branch[]>(keys.branches);
  if (known === undefined) return;
  const at = known.findIndex(({ id }) => id === branchId);
  const branch = known[at];
  if (branch === undefined) void client.invalidateQueries({ queryKey: keys.branches });
  else client.setQueryData(keys.branches, known.with(at, { ...branch, activeCalls }));
}
