import { Link, useLocation } from "wouter";
import { cn } from "@/lib/cn";
import { pageAt, pagesFor } from "@/pages/registry";
import type { Me } from "@/wire/Me";
import { Mark } from "./mark";

/** The pages that the role may see. */
export function Rail({ me }: { me: Me }) {
  const [location] = useLocation();
  const here = pageAt(location)?.to;
  return (
    <nav
      aria-label="Pages"
      className="flex w-14 shrink-0 flex-col gap-0.5 overflow-y-auto border-r border-line bg-sunken px-2 py-3 xl:w-44"
    >
      <div className="mb-4 flex h-7 shrink-0 items-center gap-2 px-2 max-xl:justify-center">
        <Mark />
        <span className="text-sm font-semibold tracking-tight max-xl:sr-only">Sidetone</span>
      </div>
      {pagesFor(me).map(({ to, name, icon: Icon }) => (
        <Link
          key={to}
          href={to}
          title={name}
          aria-current={to === here ? "page" : undefined}
          className={cn(
            "flex h-8 shrink-0 items-center gap-2 rounded-md px-2 font-medium transition-colors max-xl:justify-center",
            to === here
              ? "bg-surface text-ink shadow-xs ring-1 ring-line dark:bg-raised"
              : "text-ink-soft hover:bg-hover hover:text-ink",
          )}
        >
          <Icon aria-hidden className={cn("size-4 shrink-0", to === here && "text-accent-ink")} />
          <span className="max-xl:sr-only">{name}</span>
        </Link>
      ))}
    </nav>
  );
}
