import {
  Area,
  Bar,
  CartesianGrid,
  ComposedChart,
  Line,
  ResponsiveContainer,
  Tooltip,
  XAxis,
  YAxis,
} from "recharts";
import type { Point } from "@/lib/period";
import type { Bucket } from "@/wire/Bucket";

interface Props {
  points: readonly Point[];
  bucket: Bucket;
  /** What is shown, for its legend: `Average duration`. */
  name: string;
  /** A value in words. */
  format: (value: number) => string;
  /** Whether the period before is drawn too. */
  compared: boolean;
  /** Bars are for counts, a line is for what has no sum. */
  shape: "bars" | "line";
}

const hour = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const whole = new Intl.DateTimeFormat(undefined, {
  weekday: "short",
  day: "numeric",
  month: "short",
});

/** The moment that a bucket begins at, in words. */
export function bucketName(at: number, bucket: Bucket): string {
  return bucket === "day" ? whole.format(at) : `${whole.format(at)}, ${hour.format(at)}`;
}

const tick = { fill: "var(--ink-soft)", fontSize: 11 };
const X_AXIS = {
  tick,
  tickLine: false,
  axisLine: { stroke: "var(--line-strong)" },
  minTickGap: 28,
} as const;
const Y_AXIS = {
  tick,
  tickLine: false,
  axisLine: false,
  width: 44,
  allowDecimals: false,
} as const;
const BARS = {
  dataKey: "value",
  fill: "var(--accent)",
  radius: [3, 3, 0, 0] as [number, number, number, number],
  maxBarSize: 36,
  isAnimationActive: false,
} as const;
const AREA = {
  type: "monotone",
  dataKey: "value",
  stroke: "var(--accent-ink)",
  strokeWidth: 1.75,
  fill: "var(--accent-soft)",
  fillOpacity: 0.7,
  isAnimationActive: false,
} as const;
const BEFORE = {
  type: "monotone",
  dataKey: "before",
  stroke: "var(--ink-faint)",
  strokeWidth: 1.5,
  strokeDasharray: "4 3",
  isAnimationActive: false,
} as const;
/** A point is drawn where a line would have nothing to join. */
const FEW = 2;

/** A figure over time, with the period before as a dashed line. */
export function TimeChart({ points, bucket, name, format, compared, shape }: Props) {
  const oneDay = points.length <= 25 && bucket === "hour";
  const dot = points.length <= FEW;
  return (
    <div className="h-56" aria-hidden>
      <ResponsiveContainer width="100%" height="100%">
        <ComposedChart
          data={[...points]}
          accessibilityLayer={false}
          margin={{ top: 6, right: 8, bottom: 0, left: 0 }}
        >
          <CartesianGrid vertical={false} stroke="var(--line)" />
          <XAxis
            {...X_AXIS}
            dataKey="at"
            tickFormatter={(at: number) => (oneDay ? hour : day).format(at)}
          />
          <YAxis {...Y_AXIS} tickFormatter={format} />
          <Tooltip
            isAnimationActive={false}
            cursor={{ stroke: "var(--line-strong)", fill: "var(--hover)" }}
            content={({ active, payload }) => {
              const point: unknown = payload[0]?.payload;
              return active && isPoint(point) ? (
                <Hover
                  point={point}
                  title={bucketName(point.at, bucket)}
                  name={name}
                  format={format}
                  compared={compared}
                />
              ) : null;
            }}
          />
          {shape === "bars" ? <Bar {...BARS} /> : <Area {...AREA} dot={dot} />}
          {compared && <Line {...BEFORE} dot={dot} />}
        </ComposedChart>
      </ResponsiveContainer>
    </div>
  );
}

function isPoint(value: unknown): value is Point {
  return typeof value === "object" && value !== null && "at" in value && "value" in value;
}

interface HoverProps extends Pick<Props, "name" | "format" | "compared"> {
  point: Point;
  title: string;
}

function Hover({ point, title, name, format, compared }: HoverProps) {
  const text = (value: number | null) => (value === null ? "–" : format(value));
  return (
    <div className="rounded-md border border-line bg-raised px-2.5 py-1.5 text-xs shadow-pop">
      <p className="font-medium">{title}</p>
      <p className="text-ink-soft">
        {name}: <span className="font-medium text-ink tabular-nums">{text(point.value)}</span>
      </p>
      {compared && (
        <p className="text-ink-soft">
          Before: <span className="tabular-nums">{text(point.before)}</span>
        </p>
      )}
    </div>
  );
}
