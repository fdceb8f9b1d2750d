import { LoaderCircle, type LucideIcon } from "lucide-react";
import type { ComponentProps } from "react";
import { Button } from "@/components/ui/button";
import { Tooltip } from "@/components/ui/tooltip";
import { cn } from "@/lib/cn";
import type { Held } from "@/lib/keys";

interface Props {
  icon: LucideIcon;
  label: string;
  /** The accessible name where it has to say more; begins with the label. */
  name?: string;
  /** What it does. */
  hint: string;
  /** The key that does the same. */
  keys?: string | undefined;
  /** Why it cannot be done now. */
  obstacle: string | undefined;
  variant?: ComponentProps<typeof Button>["variant"];
  /** For what is on or off. */
  on?: boolean;
  busy?: boolean;
  onPress?: (() => void) | undefined;
  /** For what lasts as long as it is held. */
  hold?: Held;
  className?: string;
}

/** One act of the console: as large as the others, whatever it shows. */
export function ActButton({ icon: Icon, label, name, hint, keys, obstacle, ...props }: Props) {
  const { variant = "outline", on, busy = false, onPress, hold, className } = props;
  const able = obstacle === undefined;
  return (
    <Tooltip content={obstacle ?? hint}>
      <Button
        variant={on === true ? "on" : variant}
        aria-disabled={able ? undefined : true}
        aria-label={name}
        aria-pressed={on}
        aria-busy={busy || undefined}
        aria-keyshortcuts={keys}
        className={cn("w-full min-w-0", className)}
        onClick={able ? onPress : undefined}
        {...hold}
      >
        {busy ? <LoaderCircle aria-hidden className="animate-spin" /> : <Icon aria-hidden />}
        <span className="truncate">{label}</span>
      </Button>
    </Tooltip>
  );
}
