import { useState } from "react";
import { Button } from "@/components/ui/button";
import { duration } from "@/lib/format";
import type { Flaw } from "./flaws";
import { usePlayer } from "./handle";

/** So many are listed at first. */
const SHOWN = 8;
/** Heard before the stretch begins, so that its context is clear. */
const LEAD_MS = 2_000;

/** Gaps and pauses in words: the picture alone would not say why. A click goes there. */
export function FlawList({ flaws }: { flaws: readonly Flaw[] }) {
  const player = usePlayer();
  const [all, setAll] = useState(false);
  if (flaws.length === 0) return null;
  const shown = all ? flaws : flaws.slice(0, SHOWN);
  return (
    <div className="mt-3 border-t border-line pt-2">
      <h4 className="text-xs font-medium text-ink-soft">Not in the recording</h4>
      <ul className="-mx-1.5 mt-1">
        {shown.map((flaw) => (
          <li key={`${flaw.kind} ${flaw.fromMs} ${flaw.toMs}`}>
            <button
              type="button"
              title={`Go to ${duration(flaw.fromMs / 1000)}`}
              onClick={() => player.seekTo(flaw.fromMs - LEAD_MS)}
              className="grid w-full grid-cols-[1rem_5rem_minmax(0,1fr)] gap-2 rounded-md px-1.5 py-1 text-left text-xs hover:bg-hover"
            >
              <Sign kind={flaw.kind} />
              <span className="text-ink-soft tabular-nums">{range(flaw)}</span>
              <span>
                <span className="font-medium">{flaw.title}.</span>{" "}
                <span className="text-ink-soft">{flaw.why}</span>
              </span>
            </button>
          </li>
        ))}
      </ul>
      {flaws.length > shown.length && (
        <Button variant="quiet" onClick={() => setAll(true)}>
          Show {flaws.length - shown.length} more
        </Button>
      )}
    </div>
  );
}

/** From when to when; what begins and ends in the same second has one time. */
function range({ fromMs, toMs }: Flaw): string {
  const [from, to] = [duration(fromMs / 1000), duration(toMs / 1000)];
  return from === to ? from : `${from}–${to}`;
}

/** The same sign as in the waveform. */
function Sign({ kind }: { kind: Flaw["kind"] }) {
  return kind === "pause" ? (
    <span aria-hidden className="mt-0.5 flex h-3 gap-0.5 justify-self-center">
      <span className="w-0.75 bg-warn-ink" />
      <span className="w-0.75 bg-warn-ink" />
    </span>
  ) : (
    <span
      aria-hidden
      className="mt-0.5 h-3 w-3.5 bg-[repeating-linear-gradient(135deg,var(--ink-faint)_0_1px,transparent_1px_4px)]"
    />
  );
}
