import { X } from "lucide-react";
import { Dialog as Radix } from "radix-ui";
import type { ReactNode } from "react";
import { Button } from "./button";

interface Props {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  title: string;
  description: string;
  children: ReactNode;
}

export function Dialog({ open, onOpenChange, title, description, children }: Props) {
  return (
    <Radix.Root open={open} onOpenChange={onOpenChange}>
      <Radix.Portal>
        <Radix.Overlay className="fixed inset-0 z-40 animate-fade-in bg-black/40" />
        <Radix.Content className="fixed top-1/2 left-1/2 z-50 w-[min(28rem,calc(100vw-2rem))] -translate-1/2 animate-fade-in rounded-xl border border-line bg-raised p-5 shadow-pop">
          <Radix.Title className="text-sm font-semibold">{title}</Radix.Title>
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
