import { cva, type VariantProps } from "class-variance-authority";
import { Slot } from "radix-ui";
import type { ComponentProps } from "react";
import { cn } from "@/lib/cn";

const look = cva(
  "inline-flex shrink-0 items-center justify-center gap-1.5 rounded-md font-medium whitespace-nowrap transition-colors duration-100 select-none disabled:pointer-events-none disabled:opacity-50 aria-disabled:cursor-not-allowed aria-disabled:opacity-50 [&_svg]:shrink-0",
  {
    variants: {
      variant: {
        primary: "bg-accent text-on-accent hover:bg-accent-hover",
        outline: "border border-line bg-surface text-ink hover:border-line-strong hover:bg-hover",
        quiet: "text-ink-soft hover:bg-hover hover:text-ink",
        on: "border border-accent-ink/35 bg-accent-soft text-accent-ink hover:brightness-95 dark:hover:brightness-110",
        danger: "text-bad-ink hover:bg-bad-soft",
        destroy: "border border-bad-ink/35 bg-bad-soft text-bad-ink hover:border-bad-ink",
      },
      size: {
        md: "h-8 px-3 [&_svg]:size-4",
        sm: "h-7 px-2.5 text-xs [&_svg]:size-3.5",
        icon: "size-7 [&_svg]:size-4",
      },
    },
    defaultVariants: { variant: "outline", size: "sm" },
  },
);

type Props = ComponentProps<"button"> & VariantProps<typeof look> & { asChild?: boolean };

export function Button({ className, variant, size, asChild = false, ...props }: Props) {
  const classes = cn(look({ variant, size }), className);
  if (asChild) return <Slot.Root className={classes} {...props} />;
  return <button type="button" className={classes} {...props} />;
}
