import { Tooltip } from "@/components/ui/tooltip";
import { cn } from "@/lib/cn";
import { duration } from "@/lib/format";
import type { Annotation } from "@/wire/Annotation";
import { ANNOTATIONS } from "./annotation-words";

interface Props {
  annotations: readonly Annotation[];
  /** The strip's beginning and length on the call's time, in milliseconds. */
  startMs: number;
  lengthMs: number;
  /** Goes to a moment of the call. */
  onGo: (callMs: number) => void;
  className?: string;
}

/** What was marked, where it was on the call's time. */
export function MarkStrip({ annotations, startMs, lengthMs, onGo, className }: Props) {
  const marks = annotations.flatMap((annotation) => {
    const { atMs } = annotation;
    if (atMs === undefined || lengthMs <= 0) return [];
    const share = (atMs - startMs) / lengthMs;
    return share >= 0 && share <= 1 ? [{ annotation, atMs, share }] : [];
  });
  if (marks.length === 0) return null;
  return (
    <ul aria-label="Marked moments" className={cn("relative h-5 border-t border-line", className)}>
      {marks.map(({ annotation, atMs, share }) => {
        const { icon: Icon, word, ink } = ANNOTATIONS[annotation.kind];
        const where = `${word} at ${duration(atMs / 1000)}`;
        const name = annotation.text === "" ? where : `${where}: ${annotation.text}`;
        return (
          <li
            key={annotation.id}
            className="absolute top-0 -translate-x-1/2"
            style={{ left: `${share * 100}%` }}
          >
            <Tooltip content={name}>
              <button
                type="button"
                aria-label={name}
                data-testid="mark"
                onClick={() => onGo(atMs)}
                className={cn("flex size-5 items-center justify-center rounded", ink)}
              >
                <Icon aria-hidden className="size-3.5 fill-current/25" />
              </button>
            </Tooltip>
          </li>
        );
      })}
    </ul>
  );
}
