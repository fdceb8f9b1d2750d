import { useCallback, useEffect, useRef } from "react";
import { useListener } from "@/audio/context";
import type { HeardParty } from "@/audio/listener";
import { cn } from "@/lib/cn";
import { ease, meterPosition } from "@/lib/level";
import { levels } from "@/realtime/levels";

interface Meter {
  bar: HTMLElement;
  /** Loudness at a moment, 0 to 1, linear. */
  read: (now: number) => number;
  shown: number;
}

const meters = new Set<Meter>();
let frame = 0;
let lastFrame = 0;

/** Moves every meter on the page: one loop, transforms only, so nothing is laid out again. */
function draw(now: number): void {
  const elapsed = Math.min(100, now - lastFrame);
  lastFrame = now;
  for (const meter of meters) {
    const next = ease(meter.shown, meterPosition(meter.read(now)), elapsed);
    if (next === meter.shown) continue;
    meter.shown = next;
    meter.bar.style.transform = `scaleX(${next.toFixed(4)})`;
  }
  frame = meters.size > 0 ? requestAnimationFrame(draw) : 0;
}

function show(meter: Meter): () => void {
  meters.add(meter);
  if (frame === 0) {
    lastFrame = performance.now();
    frame = requestAnimationFrame(draw);
  }
  return () => meters.delete(meter);
}

interface MeterProps {
  /** The same function until something else is measured. */
  read: (now: number) => number;
  tone: string;
  className?: string | undefined;
}

/** Shows a loudness. */
export function Meter({ read, tone, className }: MeterProps) {
  const bar = useRef<HTMLSpanElement>(null);
  useEffect(() => {
    if (bar.current === null) return;
    return show({ bar: bar.current, read, shown: 0 });
  }, [read]);
  return (
    <span aria-hidden className={cn("block h-1 overflow-hidden rounded-full bg-line", className)}>
      <span
        ref={bar}
        className={cn(
          "block h-full w-full origin-left [transform:scaleX(0)] rounded-full will-change-transform",
          tone,
        )}
      />
    </span>
  );
}

interface Props {
  callId: string;
  party: HeardParty;
  className?: string;
}

/** Loudness of a party: what this page hears of it, else what the server measures. */
export function LevelMeter({ callId, party, className }: Props) {
  const listener = useListener();
  const read = useCallback(
    (now: number) => listener.level(callId, party) ?? levels.read(callId, party, now),
    [callId, party, listener],
  );
  const tone = party === "customer" ? "bg-customer" : "bg-agent";
  return <Meter read={read} tone={tone} className={className} />;
}
