const DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"] as const;

interface Props {
  /** Calls by weekday, Monday first, and hour. */
  grid: readonly (readonly number[])[];
}

const calls = (count: number) => `${count} ${count === 1 ? "call" : "calls"}`;

/** When most calls come: the darker, the more. */
export function HeatMap({ grid }: Props) {
  const most = Math.max(1, ...grid.flat());
  return (
    <div aria-hidden className="grid flex-1 grid-cols-[2rem_minmax(0,1fr)] gap-x-1 text-2xs">
      <span />
      <span className="mb-1 grid grid-cols-24 gap-0.5 text-center text-ink-soft tabular-nums">
        {Array.from({ length: 24 }, (_, hour) => (
          <span key={hour}>{hour % 3 === 0 ? hour : ""}</span>
        ))}
      </span>
      {grid.map((row, day) => (
        <Row key={day} name={DAYS[day] ?? ""} row={row} most={most} />
      ))}
      <span />
      <span className="mt-2 flex items-center justify-end gap-1.5 text-ink-soft">
        0
        {[0, 0.25, 0.5, 0.75, 1].map((share) => (
          <Cell key={share} share={share} className="size-3" />
        ))}
        {most}
      </span>
    </div>
  );
}

function Row({ name, row, most }: { name: string; row: readonly number[]; most: number }) {
  return (
    <>
      <span className="flex items-center text-ink-soft">{name}</span>
      <span className="mb-0.5 grid min-h-5 grid-cols-24 gap-0.5">
        {row.map((count, hour) => (
          <Cell
            key={hour}
            share={count / most}
            title={`${name} ${hour}:00: ${calls(count)}`}
            className="h-full"
          />
        ))}
      </span>
    </>
  );
}

/** Even a single call is seen beside none. */
const LEAST = 0.18;

function Cell({ share, ...props }: { share: number; title?: string; className: string }) {
  const percent = share === 0 ? 0 : Math.round((LEAST + (1 - LEAST) * share) * 100);
  return (
    <span
      {...props}
      style={{ background: `color-mix(in oklab, var(--accent) ${percent}%, var(--hover))` }}
      className={`${props.className} inline-block rounded-[3px]`}
    />
  );
}

/** The heat map's figures, a row an hour. */
export function heatFigures(grid: readonly (readonly number[])[]) {
  return {
    columns: ["Hour", ...DAYS],
    rows: Array.from({ length: 24 }, (_, hour) => [
      `${hour}:00`,
      ...grid.map((row) => row[hour] ?? 0),
    ]),
  };
}
