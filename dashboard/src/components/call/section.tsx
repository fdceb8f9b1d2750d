import type { ReactNode } from "react";

interface Props {
  title: string;
  /** What can be done here, at the end of the heading's line. */
  acts?: ReactNode;
  children: ReactNode;
}

/** A part of what is shown of a call. */
export function CallSection({ title, acts, children }: Props) {
  return (
    <section aria-label={title} className="border-b border-line p-4">
      <div className="mb-2 flex min-h-5 items-center gap-2">
        <h3 className="flex-1 text-xs font-medium text-ink-soft">{title}</h3>
        {acts}
      </div>
      {children}
    </section>
  );
}
