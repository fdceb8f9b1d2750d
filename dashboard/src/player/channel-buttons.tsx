import { Headphones, Volume2, VolumeX } from "lucide-react";
import { cn } from "@/lib/cn";
import { words } from "@/lib/format";
import type { Channel } from "@/wire/Channel";
import type { Party } from "@/wire/Party";
import type { Switches } from "./mixing";

const INK: Record<Party, string> = {
  customer: "text-customer-ink",
  agent: "text-agent-ink",
  supervisor: "text-accent-ink",
};

interface Props {
  channel: Channel;
  name: string;
  switches: Switches;
  heard: boolean;
  /** Whether a solo makes sense: there is another channel. */
  hasOthers: boolean;
  onSwitch: (part: Partial<Switches>) => void;
}

/** Whose lane it is, with its mute and its solo. */
export function ChannelButtons({ channel, name, switches, heard, hasOthers, onSwitch }: Props) {
  const { muted, solo } = switches;
  const Icon = heard ? Volume2 : VolumeX;
  return (
    <div className="flex h-11 items-center">
      <button
        type="button"
        aria-pressed={muted}
        title={muted ? `${name} is muted` : `Mute ${name}`}
        onClick={() => onSwitch({ muted: !muted })}
        className="flex h-full min-w-0 flex-1 items-center gap-2 rounded-md px-2 text-left transition-colors hover:bg-hover"
      >
        <Icon
          aria-hidden
          className={cn("size-4 shrink-0", heard ? INK[channel.party] : "text-ink-faint")}
        />
        <span className="min-w-0">
          <span className="sr-only">Mute </span>
          <span
            className={cn(
              "block truncate text-xs font-medium",
              !heard && "text-ink-faint",
              !heard && muted && "line-through",
            )}
          >
            {name}
          </span>
          <span className="block text-2xs text-ink-faint">{words(channel.party)}</span>
        </span>
      </button>
      {hasOthers && (
        <button
          type="button"
          aria-pressed={solo}
          aria-label={`Only ${name}`}
          title={solo ? "Hear everybody again" : `Hear only ${name}`}
          onClick={() => onSwitch({ solo: !solo })}
          className={cn(
            "flex size-6 shrink-0 items-center justify-center rounded-md transition-colors",
            solo ? "bg-accent-soft text-accent-ink" : "text-ink-faint hover:bg-hover",
          )}
        >
          <Headphones aria-hidden className="size-3.5" />
        </button>
      )}
    </div>
  );
}
