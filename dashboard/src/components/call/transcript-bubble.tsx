import { Play } from "lucide-react";
import { memo, type Ref } from "react";
import { cn } from "@/lib/cn";
import { duration } from "@/lib/format";
import { cut, type Bubble, type Hit } from "@/lib/transcript";
import type { Party } from "@/wire/Party";

const INK: Record<Party, string> = {
  customer: "text-customer-ink",
  agent: "text-agent-ink",
  supervisor: "text-accent-ink",
};

/** The customer on the left, our side on the right. */
const SIDE: Record<Party, string> = {
  customer: "mr-10 bg-sunken dark:bg-hover",
  agent: "ml-10 bg-selected",
  supervisor: "ml-10 bg-accent-soft",
};

interface Props {
  ref: Ref<HTMLLIElement>;
  index: number;
  top: number;
  bubble: Bubble;
  name: string;
  withTime: boolean;
  /** What a search found in it. */
  hits: readonly (Hit & { at: number })[];
  /** The hit that is looked at, by its place among all. */
  currentHit: number;
  /** Heard now. */
  heard: boolean;
  /** Plays from its start; `undefined` where nothing was recorded. */
  onPlay: ((ms: number) => void) | undefined;
}

/** What one party said in one go. */
export const TranscriptBubble = memo(function TranscriptBubble(props: Props) {
  const { ref, index, top, bubble, name, withTime, heard, onPlay } = props;
  const time = duration(bubble.startMs / 1000);
  return (
    <li
      ref={ref}
      data-index={index}
      data-testid="bubble"
      data-party={bubble.party}
      aria-current={heard ? "true" : undefined}
      className="absolute inset-x-0 top-0 px-4 pb-2"
      style={{ transform: `translateY(${top}px)` }}
    >
      <div
        className={cn(
          "rounded-lg px-3 py-2",
          SIDE[bubble.party],
          heard && "ring-2 ring-accent-ink/60",
        )}
      >
        <div className="flex h-5 items-center gap-2">
          <span className={cn("truncate text-xs font-medium", INK[bubble.party])}>{name}</span>
          {withTime &&
            (onPlay === undefined ? (
              <span className="text-xs text-ink-soft tabular-nums">{time}</span>
            ) : (
              <button
                type="button"
                aria-label={`Play from ${time}`}
                onClick={() => onPlay(bubble.startMs)}
                className="-mx-1 inline-flex items-center gap-1 rounded px-1 text-xs text-ink-soft tabular-nums hover:bg-hover hover:text-ink"
              >
                <Play aria-hidden className="size-2.5 fill-current" />
                {time}
              </button>
            ))}
          {bubble.interim && <span className="text-xs text-ink-soft">…</span>}
        </div>
        <Text {...props} />
      </div>
    </li>
  );
});

function Text({ bubble, hits, currentHit }: Pick<Props, "bubble" | "hits" | "currentHit">) {
  return (
    <p className={cn("break-words whitespace-pre-wrap", bubble.interim && "text-ink-soft")}>
      {cut(bubble.text, hits).map(({ text, hit }, at) =>
        hit === undefined ? (
          text
        ) : (
          <mark
            key={at}
            className={cn(
              "rounded-[3px] text-ink",
              hit === currentHit ? "bg-warn text-black" : "bg-warn/35",
            )}
          >
            {text}
          </mark>
        ),
      )}
    </p>
  );
}
