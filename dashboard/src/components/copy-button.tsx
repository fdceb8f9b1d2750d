import { Check, Copy, X } from "lucide-react";
import { useEffect, useState } from "react";
import { Button } from "@/components/ui/button";

/** How long it is said that it was copied. */
const SAID_MS = 2_000;

const STATES = {
  idle: { icon: Copy, word: "Copy" },
  copied: { icon: Check, word: "Copied" },
  refused: { icon: X, word: "Not allowed" },
} as const;

interface Props {
  text: string;
  /** What is copied, for screen readers: `the webhook's address`. */
  what: string;
  className?: string;
}

/** Puts a text on the clipboard, and says whether the browser let it. */
export function CopyButton({ text, what, className }: Props) {
  const [state, setState] = useState<keyof typeof STATES>("idle");
  const { icon: Icon, word } = STATES[state];
  useEffect(() => {
    if (state === "idle") return;
    const timer = setTimeout(() => setState("idle"), SAID_MS);
    return () => clearTimeout(timer);
  }, [state]);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setState("copied");
    } catch {
      setState("refused"); // the text is shown: it can be selected by hand
    }
  };
  return (
    <Button
      className={className}
      aria-label={state === "idle" ? `Copy ${what}` : word}
      onClick={() => void copy()}
    >
      <Icon aria-hidden />
      <span aria-live="polite">{word}</span>
    </Button>
  );
}

/** A text to be copied, such as an address, beside what copies it. */
export function CopyLine({ text, what }: { text: string; what: string }) {
  return (
    <div className="flex items-center gap-2 rounded-md border border-line bg-sunken p-1 pl-2.5">
      <code className="min-w-0 flex-1 font-mono text-xs break-all select-all">{text}</code>
      <CopyButton text={text} what={what} />
    </div>
  );
}
