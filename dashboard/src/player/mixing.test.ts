import { expect, test } from "vitest";
import { recordingOf } from "@/testing/recordings";
import { audible, sourcesOf } from "./mixing";

const at = (muted: boolean, solo: boolean) => ({ muted, solo });

test("everything is heard that is not muted", () => {
  expect(audible([at(false, false), at(true, false)])).toEqual([true, false]);
});

test("a solo silences all others, and wins over its own mute", () => {
  expect(audible([at(true, true), at(false, false), at(false, false)])).toEqual([
    true,
    false,
    false,
  ]);
  expect(audible([at(false, true), at(false, true), at(false, false)])).toEqual([
    true,
    true,
    false,
  ]);
});

test("both sides are one file, a supervisor's channel is a file of its own", () => {
  const recording = recordingOf({
    audioUrl: "/api/recordings/r/audio",
    channels: [
      { index: 0, party: "customer" },
      { index: 1, party: "agent" },
      { index: 2, party: "supervisor", name: "Sam" },
    ],
  });
  expect(sourcesOf(recording)).toEqual([
    {
      url: "/api/recordings/r/audio",
      lanes: [
        { lane: 0, output: 0 },
        { lane: 1, output: 1 },
      ],
    },
    { url: "/api/recordings/r/audio?channel=2", lanes: [{ lane: 2, output: 0 }] },
  ]);
});

test("a recording of the agent alone keeps them on their side", () => {
  const recording = recordingOf({ channels: [{ index: 1, party: "agent" }] });
  expect(sourcesOf(recording)[0]?.lanes).toEqual([{ lane: 0, output: 1 }]);
});
