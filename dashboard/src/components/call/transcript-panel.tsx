import { useVirtualizer } from "@tanstack/react-virtual";
import { ArrowDown, MessageSquareText } from "lucide-react";
import { use, useEffect, useMemo, useRef, useState, type UIEvent } from "react";
import { useTranscript } from "@/api/transcripts";
import { Loaded, Loading } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Notice } from "@/components/ui/notice";
import { agentLabel, customerLabel } from "@/lib/call-words";
import { recall, remember } from "@/lib/storage";
import { bubbleAt, bubblesOf, hitsOf, plainText, type Bubble, type Hit } from "@/lib/transcript";
import { CallTimeContext, useCallTime } from "@/player/call-time";
import { isEnded } from "@/realtime/patches";
import type { Call } from "@/wire/Call";
import type { Party } from "@/wire/Party";
import type { TranscriptSegment } from "@/wire/TranscriptSegment";
import { TranscriptBubble } from "./transcript-bubble";
import { TranscriptTools } from "./transcript-tools";

/** A bubble's height before it is measured. */
const GUESSED_HEIGHT = 72;
/** This close to the end counts as being there. */
const AT_END_PX = 48;
const TIMES_KEY = "sidetone.transcript.times";
const isBoolean = (value: unknown): value is boolean => typeof value === "boolean";

/** What was said, beside the recording or while it is said. */
export default function TranscriptPanel({ call }: { call: Call }) {
  const transcript = useTranscript(call.id);
  return (
    <section aria-label="Transcript" className="flex h-full min-h-0 flex-col">
      <Loaded
        query={transcript}
        what="The transcript"
        loading={<Loading what="the transcript" rows={3} />}
      >
        {({ segments }) =>
          segments.length === 0 ? (
            <Notice
              icon={MessageSquareText}
              title="No transcript"
              text={
                isEnded(call)
                  ? "Nothing that was said in this call was written down."
                  : "What is said appears here as soon as it is understood."
              }
            />
          ) : (
            <Bubbles call={call} segments={segments} />
          )
        }
      </Loaded>
    </section>
  );
}

function nameOf(call: Call, party: Party): string {
  if (party === "supervisor") return "Supervisor";
  return party === "customer" ? customerLabel(call) : agentLabel(call);
}

/** The search, and which of its hits is looked at. */
function useSearch(bubbles: readonly Bubble[]) {
  const [query, setQuery] = useState("");
  const [at, setAt] = useState(0);
  const hits = useMemo(() => hitsOf(bubbles, query), [bubbles, query]);
  const current = hits.length === 0 ? 0 : at % hits.length;
  const byBubble = useMemo(() => {
    const found = new Map<number, (Hit & { at: number })[]>();
    hits.forEach((hit, index) => {
      const list = found.get(hit.bubble) ?? [];
      list.push({ ...hit, at: index });
      found.set(hit.bubble, list);
    });
    return found;
  }, [hits]);
  const step = (by: number) => {
    if (hits.length > 0) setAt((current + by + hits.length) % hits.length);
  };
  const search = (text: string) => {
    setQuery(text);
    setAt(0);
  };
  return { query, search, hits, current, step, byBubble };
}

const NO_HITS: readonly never[] = [];

interface BubblesProps {
  call: Call;
  segments: readonly TranscriptSegment[];
}

function Bubbles({ call, segments }: BubblesProps) {
  const bubbles = useMemo(() => bubblesOf(segments), [segments]);
  const search = useSearch(bubbles);
  const [withTime, setWithTime] = useState(() => recall(TIMES_KEY, true, isBoolean));
  return (
    <>
      <TranscriptTools
        callId={call.id}
        query={search.query}
        onQuery={search.search}
        hits={search.hits.length}
        current={search.current}
        onStep={search.step}
        withTime={withTime}
        onWithTime={(next) => {
          setWithTime(next);
          remember(TIMES_KEY, next);
        }}
        copy={() => plainText(bubbles, (party) => nameOf(call, party))}
      />
      <BubbleList call={call} bubbles={bubbles} search={search} withTime={withTime} />
    </>
  );
}

interface BubbleListProps {
  call: Call;
  bubbles: readonly Bubble[];
  search: ReturnType<typeof useSearch>;
  withTime: boolean;
}

/** Only what is in sight exists: hours of talk are as quick as minutes. */
function BubbleList({ call, bubbles, search, withTime }: BubbleListProps) {
  const scroller = useRef<HTMLDivElement>(null);
  // eslint-disable-next-line react-hooks/incompatible-library -- the virtualizer renders this component itself
  const virtual = useVirtualizer({
    count: bubbles.length,
    getScrollElement: () => scroller.current,
    getItemKey: (index) => bubbles[index]?.key ?? index,
    estimateSize: () => GUESSED_HEIGHT,
    overscan: 8,
  });
  const { heard, play } = usePlayed(bubbles, (index) => virtual.scrollToIndex(index));
  const hit = search.hits[search.current];
  useEffect(() => {
    if (hit !== undefined) virtual.scrollToIndex(hit.bubble, { align: "center" });
    // eslint-disable-next-line react-hooks/exhaustive-deps -- only when another hit is looked at
  }, [hit]);
  const follow = useFollowing(bubbles, !isEnded(call), () =>
    virtual.scrollToIndex(bubbles.length - 1, { align: "end" }),
  );
  return (
    <div className="relative min-h-0 flex-1">
      <div
        ref={scroller}
        tabIndex={0}
        role="region"
        aria-label="What was said"
        className="h-full overflow-y-auto pt-3 -outline-offset-2"
        onScroll={follow.onScroll}
      >
        <ol className="relative" style={{ height: virtual.getTotalSize() }}>
          {virtual.getVirtualItems().map((item) => {
            const bubble = bubbles[item.index];
            if (bubble === undefined) return null;
            return (
              <TranscriptBubble
                key={bubble.key}
                ref={virtual.measureElement}
                index={item.index}
                top={item.start}
                bubble={bubble}
                name={nameOf(call, bubble.party)}
                withTime={withTime}
                hits={search.byBubble.get(item.index) ?? NO_HITS}
                currentHit={search.current}
                heard={item.index === heard}
                onPlay={play}
              />
            );
          })}
        </ol>
      </div>
      {follow.away && (
        <Button
          className="absolute bottom-3 left-1/2 -translate-x-1/2 shadow-pop"
          onClick={follow.toEnd}
        >
          <ArrowDown aria-hidden />
          Follow
        </Button>
      )}
    </div>
  );
}

/** The bubble that the recording is at, shown as it plays, and the way to play from one. */
function usePlayed(bubbles: readonly Bubble[], show: (index: number) => void) {
  const time = use(CallTimeContext);
  const heard = useCallTime(({ positionMs }) =>
    positionMs === undefined ? -1 : bubbleAt(bubbles, positionMs),
  );
  const playing = useCallTime((now) => now.playing) === true;
  const playable = useCallTime((now) => now.has(bubbles[0]?.startMs ?? 0)) === true;
  const play = useMemo(
    () => (playable ? (ms: number) => time?.playFrom(ms) : undefined),
    [playable, time],
  );
  useEffect(() => {
    if (playing && heard !== undefined && heard >= 0) show(heard);
    // eslint-disable-next-line react-hooks/exhaustive-deps -- only when another bubble is heard
  }, [heard, playing]);
  return { heard, play };
}

/** Stays at the end of a live transcript until somebody scrolls up. */
function useFollowing(bubbles: unknown, live: boolean, show: () => void) {
  const [away, setAway] = useState(false);
  const lastTop = useRef(0);
  useEffect(() => {
    if (live && !away) show();
    // eslint-disable-next-line react-hooks/exhaustive-deps -- whenever something was said
  }, [bubbles, live]);
  const onScroll = (event: UIEvent<HTMLElement>) => {
    const { scrollTop, scrollHeight, clientHeight } = event.currentTarget;
    const atEnd = scrollHeight - scrollTop - clientHeight <= AT_END_PX;
    // what is said makes the content grow, which is not a person's doing: only the way up is
    if (scrollTop < lastTop.current && !atEnd) setAway(true);
    if (atEnd) setAway(false);
    lastTop.current = scrollTop;
  };
  const toEnd = () => {
    setAway(false);
    show();
  };
  return { away: live && away, toEnd, onScroll };
}
