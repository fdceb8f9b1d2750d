import { useSyncExternalStore } from "react";
import { addProbe } from "./probes";

/** Gain changes are spread over this long: no clicks. */
const SMOOTH_SECONDS = 0.015;
/** Samples a level is measured over: about 21 ms at 48 kHz. */
export const LEVEL_SAMPLES = 1024;

let context: AudioContext | undefined;
const listeners = new Set<() => void>();
const tell = () => listeners.forEach((listener) => listener());

/** The page's one audio context. It stays silent until a gesture unlocks it. */
export function audioContext(): AudioContext {
  if (context === undefined) {
    context = new AudioContext({ latencyHint: "interactive" });
    context.addEventListener("statechange", tell);
  }
  return context;
}

/** Lets sound out. Works only within a click or a key press; resolves when there is sound. */
export async function unlock(): Promise<void> {
  const output = audioContext();
  if (output.state !== "running") await output.resume();
  tell();
}

/** The first gesture anywhere on the page unlocks the sound. Returns what stops waiting for it. */
export function unlockOnFirstGesture(): () => void {
  const gesture = () => {
    stop();
    void unlock();
  };
  const stop = () => {
    window.removeEventListener("pointerdown", gesture);
    window.removeEventListener("keydown", gesture);
  };
  window.addEventListener("pointerdown", gesture);
  window.addEventListener("keydown", gesture);
  return stop;
}

/** Whether sound can be heard. */
export function useUnlocked(): boolean {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => context?.state === "running",
  );
}

/** Root mean square of what an analyser hears now, 0 to 1. */
export function rms(analyser: AnalyserNode, samples: Float32Array<ArrayBuffer>): number {
  analyser.getFloatTimeDomainData(samples);
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  return Math.sqrt(sum / samples.length);
}

/** One track on its way to the speakers. */
export interface Voice {
  /** 0 is silent, 1 is as it came. */
  setGain(gain: number): void;
  /** Loudness before the gain, 0 to 1. */
  level(): number;
  /** Takes it off the speakers. */
  close(): void;
}

/** Where tracks become audible. */
export interface Output {
  unlock(): Promise<void>;
  attach(name: string, track: MediaStreamTrack): Voice;
}

/** Puts a remote track through a gain into the context. */
function attach(name: string, track: MediaStreamTrack): Voice {
  const output = audioContext();
  const stream = new MediaStream([track]);
  // Chromium feeds a remote track into Web Audio only while a media element plays it too
  const pump = new Audio();
  pump.srcObject = stream;
  pump.muted = true;
  void pump.play().catch(() => undefined); // muted playback needs no permission

  const source = output.createMediaStreamSource(stream);
  const meter = output.createAnalyser();
  meter.fftSize = LEVEL_SAMPLES;
  const gain = output.createGain();
  source.connect(meter);
  source.connect(gain).connect(output.destination);
  const removeProbe = addProbe(name, gain, source);
  const samples = new Float32Array(LEVEL_SAMPLES);

  return {
    setGain: (value) => gain.gain.setTargetAtTime(value, output.currentTime, SMOOTH_SECONDS),
    level: () => rms(meter, samples),
    close: () => {
      removeProbe();
      source.disconnect();
      gain.disconnect();
      pump.pause();
      pump.srcObject = null;
    },
  };
}

/** The speakers. */
export const speakers: Output = { unlock, attach };
