import { cva, type VariantProps } from "class-variance-authority";
import type { ComponentProps } from "react";
import { cn } from "@/lib/cn";

const look = cva(
  "inline-flex h-[18px] items-center gap-1 rounded-[5px] px-1.5 text-2xs font-medium whitespace-nowrap [&_svg]:size-3",
  {
    variants: {
      tone: {
        plain: "bg-sunken text-ink-soft dark:bg-hover",
        accent: "bg-accent-soft text-accent-ink",
        bad: "bg-bad-soft text-bad-ink",
        outline: "border border-line text-ink-soft",
      },
    },
    defaultVariants: { tone: "plain" },
  },
);

type Props = ComponentProps<"span"> & VariantProps<typeof look>;

export function Badge({ className, tone, ...props }: Props) {
  return <span className={cn(look({ tone }), className)} {...props} />;
}
