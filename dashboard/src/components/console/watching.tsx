import { Eye } from "lucide-react";
import type { Me } from "@/wire/Me";
import type { WatchMode } from "@/wire/WatchMode";
import type { Watcher } from "@/wire/Watcher";

const DOES: Record<WatchMode, string> = {
  listen: "listens",
  whisper: "whispers",
  barge: "speaks",
  takeover: "has the call",
};

/** Whoever takes part in the call, and how: one line, always there. */
export function Watching({ watchers, me }: { watchers: readonly Watcher[]; me: Me }) {
  const named = watchers.map(({ userId, name, mode }) =>
    userId === me.id ? `you (${mode})` : `${name} ${DOES[mode]}`,
  );
  const text = named.length === 0 ? "Nobody watches this call." : `Watching: ${named.join(", ")}`;
  return (
    <p
      data-testid="watching"
      title={text}
      className="flex items-center gap-1.5 text-xs text-ink-soft"
    >
      <Eye aria-hidden className="size-3.5 shrink-0 text-ink-faint" />
      <span className="truncate">{text}</span>
    </p>
  );
}
