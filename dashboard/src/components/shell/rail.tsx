import { AudioLines, History } from "lucide-react";
import { Link, useLocation } from "wouter";
import { cn } from "@/lib/cn";
import { Mark } from "./mark";

const PAGES = [
  { to: "/live", name: "Live", icon: AudioLines },
  { to: "/history", name: "History", icon: History },
];

/** The pages. */
export function Rail() {
  const [location] = useLocation();
  return (
    <nav
      aria-label="Pages"
      className="flex w-14 shrink-0 flex-col gap-0.5 border-r border-line bg-sunken px-2 py-3 xl:w-44"
    >
      <div className="mb-4 flex h-7 items-center gap-2 px-2 max-xl:justify-center">
        <Mark />
        <span className="text-sm font-semibold tracking-tight max-xl:sr-only">Sidetone</span>
      </div>
      {PAGES.map(({ to, name, icon: Icon }) => {
        const here = location.startsWith(to);
        return (
          <Link
            key={to}
            href={to}
            title={name}
            aria-current={here ? "page" : undefined}
            className={cn(
              "flex h-8 items-center gap-2 rounded-md px-2 font-medium transition-colors max-xl:justify-center",
              here
                ? "bg-surface text-ink shadow-xs ring-1 ring-line dark:bg-raised"
                : "text-ink-soft hover:bg-hover hover:text-ink",
            )}
          >
            <Icon aria-hidden className={cn("size-4 shrink-0", here && "text-accent-ink")} />
            <span className="max-xl:sr-only">{name}</span>
          </Link>
        );
      })}
    </nav>
  );
}
