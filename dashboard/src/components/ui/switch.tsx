import { Switch as Radix } from "radix-ui";
import { cn } from "@/lib/cn";

interface Props {
  id?: string;
  "aria-label"?: string;
  checked: boolean;
  onCheckedChange: (checked: boolean) => void;
  "aria-describedby"?: string;
}

/** On or off. */
export function Switch(props: Props) {
  return (
    <Radix.Root
      {...props}
      className={cn(
        "relative h-5 w-9 shrink-0 rounded-full border transition-colors",
        props.checked ? "border-accent bg-accent" : "border-line-strong bg-sunken",
      )}
    >
      <Radix.Thumb className="block size-3.5 translate-x-0.5 rounded-full bg-ink-faint transition-transform data-[state=checked]:translate-x-[1.1rem] data-[state=checked]:bg-white" />
    </Radix.Root>
  );
}
