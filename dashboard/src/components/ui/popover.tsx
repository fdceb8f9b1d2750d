import { Popover as Radix } from "radix-ui";
import type { ComponentProps } from "react";
import { cn } from "@/lib/cn";

export const Popover = Radix.Root;
export const PopoverTrigger = Radix.Trigger;
export const PopoverClose = Radix.Close;

export function PopoverContent({ className, ...props }: ComponentProps<typeof Radix.Content>) {
  return (
    <Radix.Portal>
      <Radix.Content
        sideOffset={4}
        collisionPadding={8}
        className={cn(
          "z-40 w-80 max-w-[calc(100vw-1rem)] animate-fade-in rounded-lg border border-line bg-raised shadow-pop focus-visible:outline-none",
          className,
        )}
        {...props}
      />
    </Radix.Portal>
  );
}
