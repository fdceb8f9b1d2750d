import { duration } from "@/lib/format";
import type { Party } from "@/wire/Party";
import type { TranscriptSegment } from "@/wire/TranscriptSegment";

/** What one party says within this time of their last word belongs to the same bubble. */
const PAUSE_MS = 4_000;
/** A bubble is not longer than this: a monologue stays readable, and can be sought in. */
const BUBBLE_MAX_MS = 45_000;

/** What one party said before the other one did, or before a pause. */
export interface Bubble {
  /** Id of its first segment. */
  key: string;
  party: Party;
  startMs: number;
  endMs: number;
  text: string;
  /** Part of it may still change. */
  interim: boolean;
  segments: readonly TranscriptSegment[];
}

const inOrder = (a: TranscriptSegment, b: TranscriptSegment): number =>
  a.startMs - b.startMs || (a.id < b.id ? -1 : 1);

/** The segments with one put in: it replaces its former self. One that is final stays as it is. */
export function withSegment(
  segments: readonly TranscriptSegment[],
  segment: TranscriptSegment,
): TranscriptSegment[] {
  const at = segments.findIndex(({ id }) => id === segment.id);
  const known = segments[at];
  if (known?.final === true && !segment.final) return segments as TranscriptSegment[];
  const next = at < 0 ? [...segments, segment] : segments.with(at, segment);
  return next.sort(inOrder);
}

/** What was loaded, with what the socket told meanwhile laid over it. */
export function withNewer(
  loaded: readonly TranscriptSegment[],
  heard: readonly TranscriptSegment[],
): TranscriptSegment[] {
  return heard.reduce<TranscriptSegment[]>(withSegment, [...loaded].sort(inOrder));
}

function startOf(segment: TranscriptSegment): Bubble {
  const { id, party, startMs, endMs, text, final } = segment;
  return {
    key: id,
    party,
    startMs,
    endMs,
    text: text.trim(),
    interim: !final,
    segments: [segment],
  };
}

function joined(bubble: Bubble, segment: TranscriptSegment): Bubble {
  return {
    ...bubble,
    endMs: Math.max(bubble.endMs, segment.endMs),
    text: `${bubble.text} ${segment.text.trim()}`,
    interim: bubble.interim || !segment.final,
    segments: [...bubble.segments, segment],
  };
}

/** Segments as they are read: what belongs together in one bubble, silence left out. */
export function bubblesOf(segments: readonly TranscriptSegment[]): Bubble[] {
  const bubbles: Bubble[] = [];
  for (const segment of segments) {
    if (segment.text.trim() === "") continue;
    const last = bubbles.at(-1);
    const fits =
      last !== undefined &&
      last.party === segment.party &&
      segment.startMs - last.endMs <= PAUSE_MS &&
      segment.endMs - last.startMs <= BUBBLE_MAX_MS;
    if (fits) bubbles[bubbles.length - 1] = joined(last, segment);
    else bubbles.push(startOf(segment));
  }
  return bubbles;
}

/** A place where what is searched for was said. */
export interface Hit {
  bubble: number;
  from: number;
  to: number;
}

/** Every place in the bubbles that has the text, in whatever case. */
export function hitsOf(bubbles: readonly Bubble[], query: string): Hit[] {
  const wanted = query.trim();
  if (wanted === "") return [];
  const literal = wanted.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replace(/\s+/g, "\\s+");
  const pattern = new RegExp(literal, "giu");
  return bubbles.flatMap(({ text }, bubble) =>
    [...text.matchAll(pattern)].map(({ index, 0: found }) => ({
      bubble,
      from: index,
      to: index + found.length,
    })),
  );
}

/** A bubble's text cut where hits begin and end; `hit` is the hit's place among all. */
export function cut(text: string, hits: readonly (Hit & { at: number })[]) {
  const parts: { text: string; hit?: number }[] = [];
  let done = 0;
  for (const { from, to, at } of hits) {
    if (from > done) parts.push({ text: text.slice(done, from) });
    parts.push({ text: text.slice(from, to), hit: at });
    done = to;
  }
  if (done < text.length) parts.push({ text: text.slice(done) });
  return parts;
}

/** The bubble that is heard at a position: the last one that has begun by then. */
export function bubbleAt(bubbles: readonly Bubble[], ms: number): number {
  let [low, high] = [0, bubbles.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((bubbles[middle]?.startMs ?? 0) <= ms) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** A transcript to be pasted elsewhere. */
export function plainText(bubbles: readonly Bubble[], nameOf: (party: Party) => string): string {
  return bubbles
    .map(({ party, startMs, text }) => `[${duration(startMs / 1000)}] ${nameOf(party)}: ${text}`)
    .join("\n");
}
