import { useBranches } from "@/api/branches";
import { cn } from "@/lib/cn";
import type { Branch } from "@/wire/Branch";

/** Branches that have a place in the bar; the list below the counter has all. */
const IN_BAR = 3;

/** The busiest first; those without calls last, by name. */
function busiest(branches: readonly Branch[]): Branch[] {
  return [...branches].sort(
    (a, b) => b.activeCalls - a.activeCalls || a.name.localeCompare(b.name),
  );
}

/** How many calls a branch has: lights up when that changes. */
function Count({ branch: { activeCalls } }: { branch: Branch }) {
  return (
    <span
      key={activeCalls}
      className={cn(
        "animate-appear rounded px-1 font-medium tabular-nums",
        activeCalls === 0 && "text-ink-faint",
      )}
    >
      {activeCalls}
    </span>
  );
}

/** The busiest branches, where the bar has room for them. */
export function BranchBar() {
  const { data = [] } = useBranches();
  if (data.length < 2) return null;
  return (
    <ul aria-label="Calls by branch" className="flex items-center gap-2 text-xs max-2xl:hidden">
      {busiest(data)
        .slice(0, IN_BAR)
        .map((branch) => (
          <li key={branch.id} className="flex items-center text-ink-soft">
            <span className="max-w-28 truncate">{branch.name}</span>
            <Count branch={branch} />
          </li>
        ))}
    </ul>
  );
}

/** Every branch with its calls. */
export function BranchList() {
  const { data = [] } = useBranches();
  if (data.length === 0) return null;
  const most = Math.max(1, ...data.map(({ activeCalls }) => activeCalls));
  return (
    <section aria-label="By branch" className="border-t border-line p-2">
      <h3 className="px-1 pb-1 text-2xs font-medium text-ink-faint">By branch</h3>
      <ul className="max-h-40 overflow-y-auto">
        {busiest(data).map((branch) => (
          <li
            key={branch.id}
            data-testid="branch"
            className="grid grid-cols-[minmax(0,1fr)_5rem_2rem] items-center gap-2 px-1"
          >
            <span className="truncate">{branch.name}</span>
            <span aria-hidden className="h-1 overflow-hidden rounded-full bg-line">
              <span
                className="block h-full origin-left rounded-full bg-accent transition-transform"
                style={{ transform: `scaleX(${branch.activeCalls / most})` }}
              />
            </span>
            <span className="text-right">
              <Count branch={branch} />
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
