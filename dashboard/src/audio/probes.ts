/** What a probe hears right now, behind gain and mute: what reaches the speakers. */
export interface Heard {
  track: string;
  /** Root mean square, 0 to 1. */
  rms: number;
  /** The same before gain and mute. */
  source: number;
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
const probes = new Map<string, { source: AnalyserNode; output: AnalyserNode }>();

function wanted(): boolean {
  try {
    return localStorage.getItem("sidetoneDebug") !== null;
  } catch {
    return false;
  }
}

function loudness(analyser: AnalyserNode): number {
  const samples = new Float32Array(analyser.fftSize);
  analyser.getFloatTimeDomainData(samples);
  return Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / samples.length);
}

function hear(track: string, source: AnalyserNode, analyser: AnalyserNode): Heard {
  const rms = loudness(analyser);
  const bins = new Float32Array(analyser.frequencyBinCount);
  analyser.getFloatFrequencyData(bins);
  let loudest = 0;
  bins.forEach((decibels, bin) => {
    if (decibels > (bins[loudest] ?? -Infinity)) loudest = bin;
  });
  const hz = rms === 0 ? 0 : (loudest * analyser.context.sampleRate) / analyser.fftSize;
  return { track, rms, source: loudness(source), hz };
}

function analyserOf(node: AudioNode): AnalyserNode {
  const analyser = node.context.createAnalyser();
  analyser.fftSize = FFT_SIZE;
  analyser.smoothingTimeConstant = 0;
  node.connect(analyser);
  return analyser;
}

/**
 * Lets browser tests measure a node's output, and what came before gain and mute; returns what
 * takes the probe away.
 */
export function addProbe(track: string, node: AudioNode, source = node): () => void {
  if (!wanted()) return () => undefined;
  const probe = { source: analyserOf(source), output: analyserOf(node) };
  probes.set(track, probe);
  window.__sidetone ??= {
    audio: () => [...probes].map(([name, { source, output }]) => hear(name, source, output)),
  };
  return () => {
    if (probes.get(track) === probe) probes.delete(track);
    probe.source.disconnect();
    probe.output.disconnect();
  };
}
