import type { ComponentProps } from "react";
import { cn } from "@/lib/cn";

export function Textarea({ className, ...props }: ComponentProps<"textarea">) {
  return (
    <textarea
      className={cn(
        "min-h-16 w-full min-w-0 resize-y rounded-md border border-line bg-surface px-2.5 py-1.5 text-ink transition-colors placeholder:text-ink-faint hover:border-line-strong aria-invalid:border-bad",
        className,
      )}
      {...props}
    />
  );
}
