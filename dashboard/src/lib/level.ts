/** What a meter shows at rest: quieter than this is silence to the ear. */
const FLOOR_DB = -50;
/** Full deflection: speech peaks about here. */
const CEILING_DB = -6;

/** Position of a meter, 0 to 1, for a linear level of 0 to 1: even steps sound even. */
export function meterPosition(level: number): number {
  if (!(level > 0)) return 0;
  const decibels = 20 * Math.log10(level);
  return Math.min(1, Math.max(0, (decibels - FLOOR_DB) / (CEILING_DB - FLOOR_DB)));
}

/** Time in which a meter covers two thirds of a rise, and of a fall, in milliseconds. */
const RISE_MS = 45;
const FALL_MS = 190;

/** Where a meter stands `elapsedMs` after `shown`, on its way to `target`. */
export function ease(shown: number, target: number, elapsedMs: number): number {
  const constant = target > shown ? RISE_MS : FALL_MS;
  const next = target + (shown - target) * Math.exp(-elapsedMs / constant);
  return Math.abs(next - target) < 0.004 ? target : next;
}
