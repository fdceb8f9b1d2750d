import { X } from "lucide-react";
import { Dialog as Radix } from "radix-ui";
import type { ReactNode } from "react";
import { cn } from "@/lib/cn";
import { Button } from "./button";

interface Props {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  title: string;
  description: string;
  /** More room, for longer forms. */
  wide?: boolean;
  children: ReactNode;
}

export function Dialog({ open, onOpenChange, title, description, wide, children }: Props) {
  return (
    <Radix.Root open={open} onOpenChange={onOpenChange}>
      <Radix.Portal>
        <Radix.Overlay className="fixed inset-0 z-40 animate-fade-in bg-black/40" />
        <Radix.Content
          className={cn(
            "fixed top-1/2 left-1/2 z-50 max-h-[calc(100vh-2rem)] w-[min(28rem,calc(100vw-2rem))] -translate-1/2 animate-fade-in overflow-y-auto rounded-xl border border-line bg-raised p-5 shadow-pop",
            wide === true && "w-[min(40rem,calc(100vw-2rem))]",
          )}
        >
          <Radix.Title className="pr-8 text-sm font-semibold">{title}</Radix.Title>
          <Radix.Description className="mt-0.5 text-ink-soft">{description}</Radix.Description>
          {children}
          <Radix.Close asChild>
            <Button
              variant="quiet"
              size="icon"
              className="absolute top-3 right-3"
              aria-label="Close"
            >
              <X aria-hidden />
            </Button>
          </Radix.Close>
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}
