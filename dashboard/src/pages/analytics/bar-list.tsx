/** Rows that are drawn; the table has all of them. */
const DRAWN = 8;

export interface Bar {
  key: string;
  name: string;
  /** 0 to 1: how long the bar is. */
  share: number;
  /** What stands at its end. */
  text: string;
}

/** Bars with names, the longest first. */
export function BarList({ bars }: { bars: readonly Bar[] }) {
  return (
    <ol className="grid content-start gap-2">
      {bars.slice(0, DRAWN).map(({ key, name, share, text }) => (
        <li key={key} className="grid gap-1">
          <span className="flex justify-between gap-3">
            <span className="truncate" title={name}>
              {name}
            </span>
            <span className="shrink-0 text-ink-soft tabular-nums">{text}</span>
          </span>
          <span aria-hidden className="h-1.5 overflow-hidden rounded-full bg-sunken dark:bg-line">
            <span
              className="block h-full rounded-full bg-accent"
              style={{ width: `${Math.max(share > 0 ? 1 : 0, share * 100)}%` }}
            />
          </span>
        </li>
      ))}
      {bars.length > DRAWN && (
        <li className="text-xs text-ink-soft">and {bars.length - DRAWN} more, in the table</li>
      )}
    </ol>
  );
}
