import { useEffect, useRef } from "react";
import { useListener } from "@/audio/context";
import type { HeardParty, Listener } from "@/audio/listener";
import { cn } from "@/lib/cn";
import { ease, meterPosition } from "@/lib/level";
import { levels } from "@/realtime/levels";

interface Meter {
  bar: HTMLElement;
  callId: string;
  party: HeardParty;
  listener: Listener;
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
    const here = meter.listener.level(meter.callId, meter.party);
    const level = here ?? levels.read(meter.callId, meter.party, now);
    const next = ease(meter.shown, meterPosition(level), elapsed);
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

interface Props {
  callId: string;
  party: HeardParty;
  className?: string;
}

/** Loudness of a party: what this page hears of it, else what the server measures. */
export function LevelMeter({ callId, party, className }: Props) {
  const bar = useRef<HTMLSpanElement>(null);
  const listener = useListener();
  useEffect(() => {
    if (bar.current === null) return;
    return show({ bar: bar.current, callId, party, listener, shown: 0 });
  }, [callId, party, listener]);
  return (
    <span aria-hidden className={cn("block h-1 overflow-hidden rounded-full bg-line", className)}>
      <span
        ref={bar}
        className={cn(
          "block h-full w-full origin-left [transform:scaleX(0)] rounded-full will-change-transform",
          party === "customer" ? "bg-customer" : "bg-agent",
        )}
      />
    </span>
  );
}
