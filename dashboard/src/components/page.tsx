import type { ReactNode } from "react";
import { cn } from "@/lib/cn";

interface PageProps {
  /** Of tables; forms are read better when they are narrow. */
  wide?: boolean;
  children: ReactNode;
}

/** A page that scrolls as a whole. */
export function Page({ wide = false, children }: PageProps) {
  return (
    <div className="h-full overflow-y-auto">
      <div className={cn("mx-auto grid gap-8 p-6", wide ? "max-w-6xl" : "max-w-2xl")}>
        {children}
      </div>
    </div>
  );
}

interface SectionProps {
  title: string;
  /** What it is, in a sentence. */
  text?: string;
  /** What can be done here, at the end of the heading's line. */
  acts?: ReactNode;
  children: ReactNode;
}

/** A part of a page under its heading. */
export function Section({ title, text, acts, children }: SectionProps) {
  return (
    <section aria-label={title} className="min-w-0">
      <div className="mb-3 flex min-h-8 items-end gap-2">
        <div className="min-w-0 flex-1">
          <h2 className="text-sm font-semibold">{title}</h2>
          {text !== undefined && <p className="text-ink-soft">{text}</p>}
        </div>
        {acts}
      </div>
      {children}
    </section>
  );
}

/** A framed surface: a form's fields, a table, a notice. */
export function Card({ className, children }: { className?: string; children: ReactNode }) {
  return (
    <div className={cn("overflow-hidden rounded-lg border border-line bg-surface", className)}>
      {children}
    </div>
  );
}
