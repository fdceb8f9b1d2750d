/** Lanes are this fine at most: more than a screen has pixels. */
export const MAX_BUCKETS = 1600;
/** The waveform is decoded at a rate that suffices for its outline: an hour takes 115 MB, briefly. */
const DECODE_RATE_HZ = 4_000;
/** Longer recordings are shown without their outline, to spare the browser's memory. */
export const MAX_OUTLINE_SECONDS = 2 * 3600;

/** The loudest sample of each of `buckets` equal stretches, 0 to 1. */
export function peaks(samples: Float32Array, buckets: number): Float32Array {
  const found = new Float32Array(buckets);
  if (samples.length === 0) return found;
  const width = samples.length / buckets;
  for (let bucket = 0; bucket < buckets; bucket += 1) {
    const start = Math.floor(bucket * width);
    const end = Math.min(samples.length, Math.max(start + 1, Math.floor((bucket + 1) * width)));
    let loudest = 0;
    for (let at = start; at < end; at += 1) {
      const magnitude = Math.abs(samples[at] ?? 0);
      if (magnitude > loudest) loudest = magnitude;
    }
    found[bucket] = Math.min(1, loudest);
  }
  return found;
}

/** The outline of every channel of a recording. Throws when it cannot be loaded or decoded. */
export async function loadOutline(url: string, signal: AbortSignal): Promise<Float32Array[]> {
  const response = await fetch(url, { credentials: "same-origin", signal });
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  const bytes = await response.arrayBuffer();
  const decoder = new OfflineAudioContext(2, 1, DECODE_RATE_HZ);
  const audio = await decoder.decodeAudioData(bytes);
  return Array.from({ length: audio.numberOfChannels }, (_, channel) =>
    peaks(audio.getChannelData(channel), MAX_BUCKETS),
  );
}

/** Height of a peak in its lane, 0 to 1: quiet speech stays visible beside loud speech. */
export function laneHeight(peak: number): number {
  return Math.sqrt(Math.min(1, Math.max(0, peak)));
}
