import type { ComponentProps } from "react";
import { cn } from "@/lib/cn";

export function Input({ className, ...props }: ComponentProps<"input">) {
  return (
    <input
      className={cn(
        "h-8 w-full min-w-0 rounded-md border border-line bg-surface px-2.5 text-ink transition-colors placeholder:text-ink-faint hover:border-line-strong aria-invalid:border-bad",
        className,
      )}
      {...props}
    />
  );
}
