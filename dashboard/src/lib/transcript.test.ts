import { expect, test } from "vitest";
import { segmentOf } from "@/testing/transcripts";
import { bubbleAt, bubblesOf, cut, hitsOf, plainText, withNewer, withSegment } from "./transcript";

const texts = (segments: Parameters<typeof bubblesOf>[0]) =>
  bubblesOf(segments).map(({ party, text }) => `${party}: ${text}`);

test("what one party says in one go is one bubble", () => {
  expect(
    texts([
      segmentOf({ id: "a", text: "Hello," }),
      segmentOf({ id: "b", text: " how are you? ", startMs: 1_200 }),
      segmentOf({ id: "c", text: "Fine.", party: "agent", startMs: 3_000 }),
      segmentOf({ id: "d", text: "Good.", startMs: 5_000 }),
    ]),
  ).toEqual(["customer: Hello, how are you?", "agent: Fine.", "customer: Good."]);
});

test("a long pause and a long monologue begin a new bubble", () => {
  const pause = [segmentOf({ id: "a" }), segmentOf({ id: "b", startMs: 20_000 })];
  expect(texts(pause)).toHaveLength(2);
  const monologue = Array.from({ length: 100 }, (_, at) =>
    segmentOf({ id: String(at), startMs: at * 1_000 }),
  );
  expect(texts(monologue)).toHaveLength(3);
});

test("segments without words are no bubbles", () => {
  expect(texts([segmentOf({ id: "a", text: "  " })])).toEqual([]);
});

test("a segment that comes again replaces its former self, in the order of time", () => {
  const first = [segmentOf({ id: "a", final: false, text: "hel" })];
  const second = withSegment(first, segmentOf({ id: "b", startMs: 9_000 }));
  const third = withSegment(second, segmentOf({ id: "a", text: "hello" }));
  expect(third.map(({ text }) => text)).toEqual(["hello", "b"]);
  expect(withSegment(third, segmentOf({ id: "0", startMs: 3_000 }))[1]?.id).toBe("0");
});

test("a late interim word does not undo what was understood for good", () => {
  const known = [segmentOf({ id: "a", text: "hello" })];
  expect(withSegment(known, segmentOf({ id: "a", text: "hel", final: false }))).toBe(known);
});

test("what the socket told while the transcript was loaded is not lost", () => {
  const loaded = [segmentOf({ id: "b", startMs: 2_000 }), segmentOf({ id: "a", text: "old" })];
  const heard = [segmentOf({ id: "a", text: "new" }), segmentOf({ id: "c", startMs: 9_000 })];
  expect(withNewer(loaded, heard).map(({ text }) => text)).toEqual(["new", "b", "c"]);
});

test("a search finds every place, in whatever case, and takes its text as text", () => {
  const bubbles = bubblesOf([
    segmentOf({ id: "a", text: "Refund? A refund (full)." }),
    segmentOf({ id: "b", party: "agent", text: "No REFUND.", startMs: 2_000 }),
  ]);
  expect(hitsOf(bubbles, "refund").map(({ bubble, from }) => [bubble, from])).toEqual([
    [0, 0],
    [0, 10],
    [1, 3],
  ]);
  expect(hitsOf(bubbles, "refund (full)")).toHaveLength(1);
  expect(hitsOf(bubbles, "   ")).toEqual([]);
});

test("places are right also behind letters whose lower case is longer", () => {
  const bubbles = bubblesOf([segmentOf({ id: "a", text: "İİİ word" })]);
  const [hit] = hitsOf(bubbles, "WORD");
  expect(bubbles[0]?.text.slice(hit?.from, hit?.to)).toBe("word");
});

test("a text is cut where hits begin and end, and nothing of it is lost", () => {
  const hits = [
    { bubble: 0, from: 0, to: 2, at: 4 },
    { bubble: 0, from: 3, to: 4, at: 5 },
  ];
  const parts = cut("abcde", hits);
  expect(parts).toEqual([
    { text: "ab", hit: 4 },
    { text: "c" },
    { text: "d", hit: 5 },
    { text: "e" },
  ]);
});

test("at a position, the last bubble that has begun is heard", () => {
  const bubbles = bubblesOf([
    segmentOf({ id: "a" }),
    segmentOf({ id: "b", party: "agent", startMs: 5_000 }),
  ]);
  expect([-1, 0, 4_999, 5_000, 90_000].map((ms) => bubbleAt(bubbles, ms))).toEqual([
    -1, 0, 0, 1, 1,
  ]);
});

test("a copy says who said what when", () => {
  const bubbles = bubblesOf([segmentOf({ id: "a", text: "Hello.", startMs: 65_000 })]);
  expect(plainText(bubbles, () => "Ada")).toBe("[1:05] Ada: Hello.");
});
