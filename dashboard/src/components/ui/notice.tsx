import type { LucideIcon } from "lucide-react";
import type { ReactNode } from "react";

interface Props {
  icon: LucideIcon;
  title: string;
  /** What happened, and what to do. */
  text: string;
  /** What to press. */
  children?: ReactNode;
}

/** Fills a page or a panel that has nothing to show: empty, failed, or not allowed. */
export function Notice({ icon: Icon, title, text, children }: Props) {
  return (
    <div className="flex h-full flex-col items-center justify-center gap-1 p-8 text-center">
      <div className="mb-2 rounded-xl border border-line bg-surface p-2.5 text-ink-faint">
        <Icon aria-hidden className="size-5" />
      </div>
      <h2 className="text-sm font-medium">{title}</h2>
      <p className="max-w-80 text-ink-soft">{text}</p>
      {children !== undefined && <div className="mt-3">{children}</div>}
    </div>
  );
}
