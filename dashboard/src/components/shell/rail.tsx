import { AudioLines, Disc2, History, Settings } from "lucide-react";
import { Link, useLocation } from "wouter";
import { mayRule, maySeeRecorder } from "@/api/recordings";
import { cn } from "@/lib/cn";
import type { Me } from "@/wire/Me";
import { Mark } from "./mark";

const everybody = () => true;
const PAGES: readonly {
  to: string;
  name: string;
  icon: typeof AudioLines;
  isFor: (me: Me) => boolean;
}[] = [
  { to: "/live", name: "Live", icon: AudioLines, isFor: everybody },
  { to: "/history", name: "History", icon: History, isFor: everybody },
  { to: "/recordings", name: "Recordings", icon: Disc2, isFor: maySeeRecorder },
  { to: "/settings", name: "Settings", icon: Settings, isFor: mayRule },
];

/** Name of the page at a location. */
export function pageName(location: string): string {
  return PAGES.find(({ to }) => location.startsWith(to))?.name ?? "Live";
}

/** The pages that the role may see. */
export function Rail({ me }: { me: Me }) {
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
      {PAGES.filter(({ isFor }) => isFor(me)).map(({ to, name, icon: Icon }) => {
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
