/** What a probe hears right now, behind gain and mute: what reaches the speakers. */
export interface Heard {
  track: string;
  /** Root mean square, 0 to 1. */
  rms: number;
  /** Loudest frequency in hertz; 0 in silence. */
  hz: number;
}

declare global {
  interface Window {
    /** Read-only, for browser tests; there only while `localStorage.sidetoneDebug` is set. */
    __sidetone?: { audio: () => Heard[] };
  }
}

const FFT_SIZE = 8192;
const probes = new Map<string, AnalyserNode>();

function wanted(): boolean {
  try {
    return localStorage.getItem("sidetoneDebug") !== null;
  } catch {
    return false;
  }
}

function hear(track: string, analyser: AnalyserNode): Heard {
  const samples = new Float32Array(analyser.fftSize);
  analyser.getFloatTimeDomainData(samples);
  const rms = Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / samples.length);
  const bins = new Float32Array(analyser.frequencyBinCount);
  analyser.getFloatFrequencyData(bins);
  let loudest = 0;
  bins.forEach((decibels, bin) => {
    if (decibels > (bins[loudest] ?? -Infinity)) loudest = bin;
  });
  const hz = rms === 0 ? 0 : (loudest * analyser.context.sampleRate) / analyser.fftSize;
  return { track, rms, hz };
}

/** Lets browser tests measure a node's output; returns what takes the probe away. */
export function addProbe(track: string, node: AudioNode): () => void {
  if (!wanted()) return () => undefined;
  const analyser = node.context.createAnalyser();
  analyser.fftSize = FFT_SIZE;
  analyser.smoothingTimeConstant = 0;
  node.connect(analyser);
  probes.set(track, analyser);
  window.__sidetone ??= { audio: () => [...probes].map(([name, probe]) => hear(name, probe)) };
  return () => {
    if (probes.get(track) === analyser) probes.delete(track);
    analyser.disconnect();
  };
}
