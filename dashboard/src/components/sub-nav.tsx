import type { LucideIcon } from "lucide-react";
import type { ReactNode } from "react";
import { Link } from "wouter";
import { cn } from "@/lib/cn";

/** A part of a page that has an address of its own. */
export interface SubPage {
  to: string;
  name: string;
  icon: LucideIcon;
}

interface Props {
  label: string;
  pages: readonly SubPage[];
  /** Address of the part that is shown. */
  here: string;
  children: ReactNode;
}

/** A page of several parts: their names beside the one that is shown. */
export function SubPages({ label, pages, here, children }: Props) {
  return (
    <div className="flex h-full min-h-0 max-md:flex-col">
      <nav
        aria-label={label}
        className="flex shrink-0 gap-0.5 border-line p-3 max-md:overflow-x-auto max-md:border-b md:w-48 md:flex-col md:border-r"
      >
        {pages.map(({ to, name, icon: Icon }) => (
          <Link
            key={to}
            href={to}
            aria-current={to === here ? "page" : undefined}
            className={cn(
              "flex h-8 shrink-0 items-center gap-2 rounded-md px-2 font-medium transition-colors",
              to === here ? "bg-selected text-ink" : "text-ink-soft hover:bg-hover hover:text-ink",
            )}
          >
            <Icon aria-hidden className={cn("size-4 shrink-0", to === here && "text-accent-ink")} />
            {name}
          </Link>
        ))}
      </nav>
      <div className="min-h-0 min-w-0 flex-1 overflow-y-auto">
        <div className="mx-auto grid max-w-4xl gap-8 p-6">{children}</div>
      </div>
    </div>
  );
}
