import { Drawing, Grid, Lane, PADDING, unitsOf, WIDTH } from "./lanes.tsx";
import type { Latency, OfKind, Operations, Rates } from "./operations.ts";
import { type Buckets, durationOf, valueTicks } from "./time.ts";

const RATE_HEIGHT = 120;
const TROUBLE_HEIGHT = 72;
const LATENCY_HEIGHT = 92;

interface Series {
  readonly name: string;
  readonly counts: readonly number[];
}

interface PlotProps {
  readonly operations: Operations;
  readonly buckets: Buckets;
}

/** Answers a second, ok and not. */
export function RateLanes({ operations: { rates }, buckets }: PlotProps) {
  const pick = (...names: (keyof Rates)[]): Series[] =>
    names.map((name) => ({ name, counts: rates[name] }));
  const ok = pick("writes", "reads", "sessions");
  const trouble = pick("refused", "unknown");
  return (
    <>
      <Stack name="ok" note="a second" series={ok} height={RATE_HEIGHT} buckets={buckets} />
      <Stack
        name="not ok"
        note="a second"
        series={trouble}
        height={TROUBLE_HEIGHT}
        buckets={buckets}
      />
    </>
  );
}

interface StackProps {
  readonly name: string;
  readonly note: string;
  readonly series: readonly Series[];
  readonly height: number;
  readonly buckets: Buckets;
}

/** Columns of a bucket each, one upon the other. */
function Stack({ name, note, series, height, buckets }: StackProps) {
  const { widthMs, endMs, count } = buckets;
  const aSecond = 1_000 / widthMs;
  const tops: number[][] = [new Array<number>(count).fill(0)];
  for (const { counts } of series) {
    const below = tops.at(-1) ?? [];
    tops.push(below.map((sum, at) => sum + (counts[at] ?? 0) * aSecond));
  }
  const ticks = valueTicks(Math.max(1, ...(tops.at(-1) ?? [])), 4);
  const most = ticks.at(-1) ?? 1;
  const yOf = (value: number): number => height - PADDING - (value / most) * (height - 2 * PADDING);
  const scale = ticks.map((value) => ({ label: String(value), top: yOf(value) / height }));
  return (
    <Lane {...{ name, note, scale, height }}>
      <Drawing height={height}>
        <Grid tops={ticks.map(yOf)} />
        {series.map(({ name: of }, i) => (
          <path
            key={of}
            class={`rate-${of}`}
            d={bandOf(tops[i] ?? [], tops[i + 1] ?? [], (at) => unitsOf(at * widthMs, endMs), yOf)}
          />
        ))}
      </Drawing>
    </Lane>
  );
}

/** Between two stairs, where they are apart. */
function bandOf(
  low: readonly number[],
  high: readonly number[],
  xOf: (at: number) => number,
  yOf: (value: number) => number,
): string {
  return high
    .map((top, at) => {
      const bottom = low[at] ?? 0;
      if (top <= bottom) return "";
      const [y, floor] = [yOf(top).toFixed(1), yOf(bottom).toFixed(1)];
      return `M${xOf(at)} ${floor}V${y}H${xOf(at + 1)}V${floor}Z`;
    })
    .join("");
}

/** From the sending to the answer, a lane for each kind of operation that was answered. */
export function LatencyLanes({ operations: { kinds }, buckets }: PlotProps) {
  const answered = kinds.filter(({ latency }) => latency !== null);
  const slowest = Math.max(10, ...answered.map(({ latency }) => latency?.max ?? 0));
  const decades = Math.ceil(Math.log10(slowest));
  return (
    <>
      {answered.map((of) => (
        <LatencyLane key={of.kind} of={of} decades={decades} buckets={buckets} />
      ))}
    </>
  );
}

interface LatencyLaneProps {
  readonly of: OfKind;
  /** From 1 ms on. */
  readonly decades: number;
  readonly buckets: Buckets;
}

function LatencyLane({ of: { kind, latency, latencies }, decades, buckets }: LatencyLaneProps) {
  const height = LATENCY_HEIGHT;
  const yOf = (ms: number): number => {
    const part = Math.log10(Math.max(1, ms)) / decades;
    return height - PADDING - part * (height - 2 * PADDING);
  };
  const ticks = Array.from({ length: decades + 1 }, (_, power) => 10 ** power);
  const scale = ticks.map((ms) => ({ label: durationOf(ms), top: yOf(ms) / height }));
  const level = (of: keyof Latency): string => levelsOf(latencies, of, buckets, yOf);
  return (
    <Lane name={kind} note={latency === null ? "" : inWords(latency)} scale={scale} height={height}>
      <Drawing height={height}>
        <Grid tops={ticks.map(yOf)} />
        <path class="latency-band" d={betweenOf(latencies, buckets, yOf)} />
        <path class="latency-max" d={level("max")} />
        <path class="latency-p50" d={level("p50")} />
      </Drawing>
    </Lane>
  );
}

function inWords({ p50, p99, max }: Latency): string {
  return `p50 ${durationOf(p50)}\np99 ${durationOf(p99)}\nmax ${durationOf(max)}`;
}

function levelsOf(
  latencies: OfKind["latencies"],
  of: keyof Latency,
  { widthMs, endMs }: Buckets,
  yOf: (ms: number) => number,
): string {
  return latencies
    .map((latency, at) => {
      if (latency === null) return "";
      const [from, to] = [unitsOf(at * widthMs, endMs), unitsOf((at + 1) * widthMs, endMs)];
      return `M${from} ${yOf(latency[of]).toFixed(1)}H${Math.min(WIDTH, to)}`;
    })
    .join("");
}

function betweenOf(
  latencies: OfKind["latencies"],
  { widthMs, endMs }: Buckets,
  yOf: (ms: number) => number,
): string {
  return latencies
    .map((latency, at) => {
      if (latency === null) return "";
      const [from, to] = [unitsOf(at * widthMs, endMs), unitsOf((at + 1) * widthMs, endMs)];
      const [top, bottom] = [yOf(latency.p99).toFixed(1), yOf(latency.p50).toFixed(1)];
      return `M${from} ${bottom}V${top}H${to}V${bottom}Z`;
    })
    .join("");
}
