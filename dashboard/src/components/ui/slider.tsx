import { Slider as Radix } from "radix-ui";
import { cn } from "@/lib/cn";

interface Props {
  value: number;
  max: number;
  step: number;
  /** Name for screen readers. */
  label: string;
  /** The value in words, for screen readers. */
  valueText: string;
  onChange: (value: number) => void;
  className?: string;
  disabled?: boolean;
}

export function Slider({ value, max, step, label, valueText, onChange, ...props }: Props) {
  return (
    <Radix.Root
      value={[value]}
      max={max}
      step={step}
      disabled={props.disabled ?? false}
      onValueChange={([next]) => {
        if (next !== undefined) onChange(next);
      }}
      className={cn(
        "relative flex h-5 w-24 touch-none items-center data-[disabled]:opacity-50",
        props.className,
      )}
    >
      <Radix.Track className="relative h-1 grow rounded-full bg-line-strong">
        <Radix.Range className="absolute h-full rounded-full bg-accent" />
      </Radix.Track>
      <Radix.Thumb
        aria-label={label}
        aria-valuetext={valueText}
        className="block size-3 rounded-full border border-line-strong bg-white shadow-sm transition-transform hover:scale-115"
      />
    </Radix.Root>
  );
}
