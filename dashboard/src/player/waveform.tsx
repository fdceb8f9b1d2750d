import { useEffect, useRef } from "react";
import { duration, spokenDuration } from "@/lib/format";
import { useShownTheme } from "@/lib/theme";
import type { Recording } from "@/wire/Recording";
import { laneHeight } from "./peaks";
import type { Playback } from "./playback";

const LANE_HEIGHT = 44;
const LANE_GAP = 6;
/** Width of a bar and of the space after it, in CSS pixels. */
const BAR = 2;
const SPACE = 1;
/** Seconds that an arrow key moves. */
export const STEP_SECONDS = 5;

interface Lane {
  /** Custom property of the lane's colour. */
  color: string;
  /** Peaks of the channel; `undefined` while they are loaded. */
  peaks: Float32Array | undefined;
  muted: boolean;
}

interface Props {
  recording: Recording;
  playback: Playback;
  lanes: readonly Lane[];
}

interface Picture {
  lanes: readonly Lane[];
  /** Position, 0 to 1. */
  progress: number;
  /** Stretches to hatch, 0 to 1. */
  holes: readonly { from: number; to: number }[];
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
    context.fillStyle = lane.muted || share >= picture.progress ? rest : color;
    context.globalAlpha = lane.muted ? 0.5 : 1;
    context.fillRect(bar * (BAR + SPACE), middle - height / 2, BAR, height);
  }
  context.globalAlpha = 1;
}

function drawHoles(context: CanvasRenderingContext2D, picture: Picture, height: number): void {
  const width = context.canvas.clientWidth;
  context.strokeStyle = getComputedStyle(context.canvas).getPropertyValue("--ink-faint");
  context.lineWidth = 1;
  for (const { from, to } of picture.holes) {
    context.save();
    context.beginPath();
    context.rect(from * width, 0, Math.max(2, (to - from) * width), height);
    context.clip();
    context.beginPath();
    for (let x = from * width - height; x < to * width; x += 6) {
      context.moveTo(x, height);
      context.lineTo(x + height, 0);
    }
    context.stroke();
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
  drawHoles(context, picture, height);
  context.fillStyle = getComputedStyle(canvas).getPropertyValue("--ink");
  context.fillRect(Math.min(width - 1.5, picture.progress * width), 0, 1.5, height);
}

function holesOf(recording: Recording): { from: number; to: number }[] {
  const total = recording.durationSeconds * 1000;
  if (total <= 0) return [];
  return [...recording.gaps, ...recording.pauses].map(({ fromMs, toMs }) => ({
    from: fromMs / total,
    to: toMs / total,
  }));
}

/** Both parties' lanes with the position in them. Click, drag, or use the arrow keys to seek. */
export function Waveform({ recording, playback, lanes }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const slider = useRef<HTMLDivElement>(null);
  const theme = useShownTheme();
  const total = recording.durationSeconds;

  useEffect(() => {
    const element = canvas.current;
    if (element === null) return;
    const holes = holesOf(recording);
    let frame = 0;
    const paint = () => {
      const position = playback.position;
      draw(element, { lanes, holes, progress: total > 0 ? Math.min(1, position / total) : 0 });
      slider.current?.setAttribute("aria-valuenow", String(Math.floor(position)));
      slider.current?.setAttribute("aria-valuetext", spokenDuration(position));
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
  }, [recording, playback, lanes, total, theme]);

  const seekTo = (event: React.PointerEvent<HTMLElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    playback.seek(share * total);
  };
  return (
    <div
      ref={slider}
      role="slider"
      tabIndex={0}
      aria-label="Position"
      aria-valuemin={0}
      aria-valuemax={Math.floor(total)}
      aria-valuenow={0}
      title={duration(total)}
      className="touch-none rounded"
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        seekTo(event);
      }}
      onPointerMove={(event) => {
        if (event.currentTarget.hasPointerCapture(event.pointerId)) seekTo(event);
      }}
      onKeyDown={(event) => {
        const step = { ArrowRight: STEP_SECONDS, ArrowLeft: -STEP_SECONDS }[event.key];
        if (step === undefined) return;
        event.preventDefault();
        playback.seek(Math.min(total, playback.position + step));
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
