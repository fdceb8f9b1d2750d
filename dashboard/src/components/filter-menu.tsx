import { ChevronDown } from "lucide-react";
import { Button } from "@/components/ui/button";
import {
  DropdownMenu,
  DropdownMenuContent,
  DropdownMenuRadioGroup,
  DropdownMenuRadioItem,
  DropdownMenuTrigger,
} from "@/components/ui/dropdown-menu";

interface Props<T extends string> {
  label: string;
  /** What stands there while nothing limits, if not the label. */
  unlimited?: string;
  value: T;
  /** Value to word; the first one means "no limit" and is not emphasised. */
  options: readonly (readonly [T, string])[];
  onChange: (value: T) => void;
}

/** One choice out of few. */
export function FilterMenu<T extends string>({
  label,
  unlimited,
  value,
  options,
  onChange,
}: Props<T>) {
  const chosen = options.find(([each]) => each === value) ?? options[0];
  const limits = chosen !== options[0];
  return (
    <DropdownMenu>
      <DropdownMenuTrigger asChild>
        <Button variant={limits ? "on" : "outline"} aria-label={`${label}: ${chosen?.[1] ?? ""}`}>
          {limits ? chosen?.[1] : (unlimited ?? label)}
          <ChevronDown aria-hidden className="-mr-1 opacity-60" />
        </Button>
      </DropdownMenuTrigger>
      <DropdownMenuContent align="start">
        <DropdownMenuRadioGroup
          value={value}
          onValueChange={(next) => {
            const option = options.find(([each]) => each === next);
            if (option !== undefined) onChange(option[0]);
          }}
        >
          {options.map(([each, word]) => (
            <DropdownMenuRadioItem key={each} value={each}>
              {word}
            </DropdownMenuRadioItem>
          ))}
        </DropdownMenuRadioGroup>
      </DropdownMenuContent>
    </DropdownMenu>
  );
}
