import { LoaderCircle, Pause, Play, RotateCcw, RotateCw } from "lucide-react";
import { useEffect, useRef, type ReactNode } from "react";
import { Button } from "@/components/ui/button";
import {
  DropdownMenu,
  DropdownMenuContent,
  DropdownMenuRadioGroup,
  DropdownMenuRadioItem,
  DropdownMenuTrigger,
} from "@/components/ui/dropdown-menu";
import { cn } from "@/lib/cn";
import { duration } from "@/lib/format";
import { RATES, type Playback, type PlaybackState } from "./playback";
import { STEP_MS } from "./waveform";

interface Props {
  playback: Playback;
  state: PlaybackState;
  totalSeconds: number;
  /** What else stands at the end of the line. */
  children: ReactNode;
}

/** Play, five seconds back and on, where it is, and how fast. */
export function Transport({ playback, state, totalSeconds, children }: Props) {
  const busy = state.loading && !state.playing;
  const Icon = busy ? LoaderCircle : state.playing ? Pause : Play;
  const skip = (ms: number) => playback.seekTo(playback.positionMs + ms);
  return (
    <div className="mt-3 flex items-center gap-1">
      <Button
        variant="quiet"
        size="icon"
        aria-label="Five seconds back"
        title="Five seconds back (←)"
        onClick={() => skip(-STEP_MS)}
      >
        <RotateCcw aria-hidden />
      </Button>
      <Button
        variant="primary"
        size="icon"
        className="size-8 rounded-full"
        aria-label={state.playing ? "Pause" : "Play"}
        onClick={() => playback.toggle()}
      >
        <Icon aria-hidden className={cn("fill-current", busy && "animate-spin fill-none")} />
      </Button>
      <Button
        variant="quiet"
        size="icon"
        aria-label="Five seconds on"
        title="Five seconds on (→)"
        onClick={() => skip(STEP_MS)}
      >
        <RotateCw aria-hidden />
      </Button>
      <Position playback={playback} totalSeconds={totalSeconds} />
      <div className="flex-1" />
      <DropdownMenu>
        <DropdownMenuTrigger asChild>
          <Button variant="quiet" aria-label={`Speed: ${state.rate}`} className="tabular-nums">
            {state.rate}×
          </Button>
        </DropdownMenuTrigger>
        <DropdownMenuContent align="end" className="min-w-24">
          <DropdownMenuRadioGroup
            value={String(state.rate)}
            onValueChange={(value) => playback.setRate(Number(value))}
          >
            {RATES.map((rate) => (
              <DropdownMenuRadioItem key={rate} value={String(rate)} className="tabular-nums">
                {rate}×
              </DropdownMenuRadioItem>
            ))}
          </DropdownMenuRadioGroup>
        </DropdownMenuContent>
      </DropdownMenu>
      {children}
    </div>
  );
}

/** The position in figures: written past React, since it moves with every frame. */
function Position({ playback, totalSeconds }: Pick<Props, "playback" | "totalSeconds">) {
  const text = useRef<HTMLSpanElement>(null);
  useEffect(() => {
    let frame = 0;
    const show = () => {
      if (text.current !== null) text.current.textContent = duration(playback.positionMs / 1000);
      cancelAnimationFrame(frame);
      frame = playback.state().playing ? requestAnimationFrame(show) : 0;
    };
    show();
    const stopHearing = playback.subscribe(show);
    return () => {
      stopHearing();
      cancelAnimationFrame(frame);
    };
  }, [playback]);
  return (
    <span className="ml-1.5 text-xs text-ink-soft tabular-nums">
      <span ref={text} data-testid="position" className="font-medium text-ink">
        0:00
      </span>{" "}
      / {duration(totalSeconds)}
    </span>
  );
}
