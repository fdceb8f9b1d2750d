import { ChevronDown } from "lucide-react";
import type { ComponentProps } from "react";
import { cn } from "@/lib/cn";

type Props<T extends string> = Omit<ComponentProps<"select">, "value" | "onChange"> & {
  value: T;
  /** Value to word. */
  options: readonly (readonly [T, string])[];
  onChange: (value: T) => void;
};

/** One choice of a form: the browser's own list, which every keyboard and screen reader knows. */
export function Select<T extends string>({
  className,
  value,
  options,
  onChange,
  ...props
}: Props<T>) {
  return (
    <span className={cn("relative inline-flex h-8 min-w-0", className)}>
      <select
        value={value}
        onChange={(event) => {
          const chosen = options.find(([each]) => each === event.target.value);
          if (chosen !== undefined) onChange(chosen[0]);
        }}
        className="h-full w-full min-w-0 appearance-none truncate rounded-md border border-line bg-surface pr-8 pl-2.5 text-ink transition-colors hover:border-line-strong disabled:opacity-50 aria-invalid:border-bad"
        {...props}
      >
        {options.map(([each, word]) => (
          <option key={each} value={each}>
            {word}
          </option>
        ))}
      </select>
      <ChevronDown
        aria-hidden
        className="pointer-events-none absolute top-1/2 right-2.5 size-3.5 -translate-y-1/2 text-ink-faint"
      />
    </span>
  );
}
