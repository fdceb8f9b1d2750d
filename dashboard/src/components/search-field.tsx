import { Search } from "lucide-react";
import type { Ref } from "react";
import { Input } from "@/components/ui/input";
import { Kbd } from "@/components/ui/kbd";
import { cn } from "@/lib/cn";

interface Props {
  value: string;
  onChange: (value: string) => void;
  label: string;
  ref?: Ref<HTMLInputElement>;
  /** Whether `/` leads here, which is then shown in it. */
  keyHint?: boolean;
  className?: string;
}

/** Search with its key shown; Esc empties it, then leaves it. */
export function SearchField({ value, onChange, label, ref, keyHint = true, className }: Props) {
  return (
    <div className={cn("relative w-72 max-w-full", className)}>
      <Search
        aria-hidden
        className="pointer-events-none absolute top-1/2 left-2.5 size-3.5 -translate-y-1/2 text-ink-faint"
      />
      <Input
        ref={ref}
        type="search"
        maxLength={200}
        aria-label={label}
        placeholder={label}
        value={value}
        className="h-7 px-8 text-xs [&::-webkit-search-cancel-button]:hidden"
        onChange={(event) => onChange(event.target.value)}
        onKeyDown={(event) => {
          if (event.key !== "Escape") return;
          if (value === "") event.currentTarget.blur();
          else onChange("");
        }}
      />
      {value === "" && keyHint && (
        <span className="pointer-events-none absolute top-1 right-1">
          <Kbd>/</Kbd>
        </span>
      )}
    </div>
  );
}
