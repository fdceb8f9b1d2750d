import { Circle, LoaderCircle, Pause, TriangleAlert } from "lucide-react";
import { useActing } from "@/api/recording-acts";
import { Tooltip } from "@/components/ui/tooltip";
import { cn } from "@/lib/cn";
import { lampMeaning, lampOf, type Lamp } from "@/lib/recording-words";
import type { Call } from "@/wire/Call";

const LOOKS: Record<Lamp, { icon: typeof Circle; word: string; look: string; shape?: string }> = {
  off: { icon: Circle, word: "Off", look: "text-ink-faint" },
  recording: { icon: Circle, word: "REC", look: "text-bad-ink", shape: "fill-current" },
  degraded: { icon: TriangleAlert, word: "Degraded", look: "text-warn-ink" },
  paused: { icon: Pause, word: "Paused", look: "text-warn-ink", shape: "fill-current" },
  pausing: { icon: LoaderCircle, word: "Pausing", look: "text-warn-ink", shape: "animate-spin" },
  resuming: { icon: LoaderCircle, word: "Resuming", look: "text-ink-soft", shape: "animate-spin" },
  unconfirmed: { icon: TriangleAlert, word: "Pause?", look: "text-bad-ink" },
  failed: { icon: TriangleAlert, word: "Failed", look: "text-bad-ink" },
};

interface LightProps {
  lamp: Lamp;
  /** What it means and since when: on hover, and for screen readers. */
  meaning: string;
}

/** The recording light itself: a shape, a word and a colour for each state. */
export function Light({ lamp, meaning }: LightProps) {
  const { icon: Icon, word, look, shape } = LOOKS[lamp];
  return (
    <Tooltip content={meaning}>
      <span
        data-testid="recording-light"
        data-lamp={lamp}
        className={cn(
          "inline-flex items-center gap-1 text-2xs font-semibold tracking-wide whitespace-nowrap",
          look,
        )}
      >
        <Icon aria-hidden className={cn("size-2.5 shrink-0", shape)} />
        {word}
        <span className="sr-only">. {meaning}</span>
      </span>
    </Tooltip>
  );
}

/** What the recording of a live call does. */
export function RecordingLight({ call }: { call: Call }) {
  const lamp = lampOf(call.recording, useActing(call.id));
  return <Light lamp={lamp} meaning={lampMeaning(lamp, call.recording)} />;
}
