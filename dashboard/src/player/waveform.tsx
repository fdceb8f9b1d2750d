import { useEffect, useRef, useState } from "react";
import { duration, spokenDuration } from "@/lib/format";
import { useShownTheme } from "@/lib/theme";
import { flawAt, type Flaw } from "./flaws";
import { laneHeight } from "./peaks";
import type { Playback } from "./playback";

const LANE_HEIGHT = 44;
const LANE_GAP = 6;
/** Width of a bar and of the space after it, in CSS pixels. */
const BAR = 2;
const SPACE = 1;
/** Milliseconds that an arrow key moves. */
export const STEP_MS = 5_000;
/** A pause this wide carries its sign, in CSS pixels. */
const SIGN_WIDTH = 16;

interface Lane {
  /** Custom property of the lane's colour. */
  color: string;
  /** Peaks of the channel; `undefined` while they are loaded. */
  peaks: Float32Array | undefined;
  heard: boolean;
}

interface Props {
  playback: Playback;
  lanes: readonly Lane[];
  flaws: readonly Flaw[];
  totalMs: number;
}

interface Picture {
  lanes: readonly Lane[];
  /** Position, 0 to 1. */
  progress: number;
  flaws: readonly Flaw[];
  totalMs: number;
}

function drawLane(
  context: CanvasRenderingContext2D,
  lane: Lane,
  top: number,
  picture: Picture,
): void {
  const style = getComputedStyle(context.canvas);
  const color = style.getPropertyValue(lane.color);
  const rest = style.getPropertyValue("--line-strong");
  const width = context.canvas.clientWidth;
  const middle = top + LANE_HEIGHT / 2;
  const bars = Math.floor(width / (BAR + SPACE));
  for (let bar = 0; bar < bars; bar += 1) {
    const share = bar / bars;
    let loudest = 0;
    if (lane.peaks !== undefined) {
      const from = Math.floor(share * lane.peaks.length);
      const to = Math.max(from + 1, Math.floor(((bar + 1) / bars) * lane.peaks.length));
      for (let at = from; at < to; at += 1) loudest = Math.max(loudest, lane.peaks[at] ?? 0);
    }
    const height = Math.max(1.5, laneHeight(loudest) * LANE_HEIGHT);
    context.fillStyle = !lane.heard || share >= picture.progress ? rest : color;
    context.globalAlpha = lane.heard ? 1 : 0.5;
    context.fillRect(bar * (BAR + SPACE), middle - height / 2, BAR, height);
  }
  context.globalAlpha = 1;
}

interface Box {
  left: number;
  width: number;
  height: number;
}

/** A gap: hatched. */
function drawGap(context: CanvasRenderingContext2D, { left, width, height }: Box): void {
  context.strokeStyle = getComputedStyle(context.canvas).getPropertyValue("--ink-faint");
  context.lineWidth = 1;
  context.beginPath();
  for (let x = left - height; x < left + width; x += 6) {
    context.moveTo(x, height);
    context.lineTo(x + height, 0);
  }
  context.stroke();
}

/** A pause: a band with the sign of a pause, where there is room for it. */
function drawPause(context: CanvasRenderingContext2D, { left, width, height }: Box): void {
  const style = getComputedStyle(context.canvas);
  context.fillStyle = style.getPropertyValue("--warn");
  context.globalAlpha = 0.22;
  context.fillRect(left, 0, width, height);
  context.globalAlpha = 1;
  context.fillRect(left, 0, 1, height);
  context.fillRect(left + width - 1, 0, 1, height);
  if (width < SIGN_WIDTH) return;
  const middle = left + width / 2;
  context.fillStyle = style.getPropertyValue("--warn-ink");
  context.fillRect(middle - 4, height / 2 - 6, 3, 12);
  context.fillRect(middle + 1, height / 2 - 6, 3, 12);
}

function drawFlaws(context: CanvasRenderingContext2D, picture: Picture, height: number): void {
  if (picture.totalMs <= 0) return;
  const scale = context.canvas.clientWidth / picture.totalMs;
  for (const { kind, fromMs, toMs } of picture.flaws) {
    const box = { left: fromMs * scale, width: Math.max(2, (toMs - fromMs) * scale), height };
    context.save();
    context.beginPath();
    context.rect(box.left, 0, box.width, height);
    context.clip();
    (kind === "gap" ? drawGap : drawPause)(context, box);
    context.restore();
  }
}

function draw(canvas: HTMLCanvasElement, picture: Picture): void {
  const context = canvas.getContext("2d");
  if (context === null) return;
  const ratio = window.devicePixelRatio;
  const { clientWidth: width, clientHeight: height } = canvas;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  context.scale(ratio, ratio);
  picture.lanes.forEach((lane, index) =>
    drawLane(context, lane, index * (LANE_HEIGHT + LANE_GAP), picture),
  );
  drawFlaws(context, picture, height);
  context.fillStyle = getComputedStyle(canvas).getPropertyValue("--ink");
  context.fillRect(Math.min(width - 1.5, picture.progress * width), 0, 1.5, height);
}

/** Where the pointer is, 0 to 1. */
function shareAt(event: React.PointerEvent<HTMLElement>): number {
  const box = event.currentTarget.getBoundingClientRect();
  return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
}

/** Keeps the picture and the slider's value at the playback's position, past React. */
function usePainting({ playback, lanes, flaws, totalMs }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const slider = useRef<HTMLDivElement>(null);
  const theme = useShownTheme();
  useEffect(() => {
    const element = canvas.current;
    if (element === null) return;
    let frame = 0;
    const paint = () => {
      const { positionMs } = playback;
      const progress = totalMs > 0 ? Math.min(1, positionMs / totalMs) : 0;
      draw(element, { lanes, flaws, totalMs, progress });
      slider.current?.setAttribute("aria-valuenow", String(Math.floor(positionMs / 1000)));
      slider.current?.setAttribute("aria-valuetext", spokenDuration(positionMs / 1000));
      cancelAnimationFrame(frame);
      frame = playback.state().playing ? requestAnimationFrame(paint) : 0;
    };
    paint();
    const stopHearing = playback.subscribe(paint);
    const resized = new ResizeObserver(paint);
    resized.observe(element);
    return () => {
      stopHearing();
      resized.disconnect();
      cancelAnimationFrame(frame);
    };
  }, [playback, lanes, flaws, totalMs, theme]);
  return { canvas, slider };
}

/** All channels' lanes with the position in them. Click, drag, or use the arrow keys to seek. */
export function Waveform(props: Props) {
  const { playback, lanes, flaws, totalMs } = props;
  const { canvas, slider } = usePainting(props);
  const [hint, setHint] = useState("");
  const move = (event: React.PointerEvent<HTMLElement>) => {
    const ms = shareAt(event) * totalMs;
    const flaw = flawAt(flaws, ms);
    setHint(flaw === undefined ? duration(ms / 1000) : `${flaw.title}. ${flaw.why}`);
    if (event.currentTarget.hasPointerCapture(event.pointerId)) playback.seekTo(ms);
  };
  return (
    <div
      ref={slider}
      role="slider"
      tabIndex={0}
      aria-label="Position"
      aria-valuemin={0}
      aria-valuemax={Math.floor(totalMs / 1000)}
      aria-valuenow={0}
      title={hint}
      className="touch-none rounded"
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        playback.seekTo(shareAt(event) * totalMs);
      }}
      onPointerMove={move}
      onKeyDown={(event) => {
        const step = { ArrowRight: STEP_MS, ArrowLeft: -STEP_MS }[event.key];
        if (step === undefined) return;
        event.preventDefault();
        playback.seekTo(playback.positionMs + step);
      }}
    >
      <canvas
        ref={canvas}
        className="block w-full"
        style={{ height: lanes.length * LANE_HEIGHT + (lanes.length - 1) * LANE_GAP }}
      />
    </div>
  );
}
