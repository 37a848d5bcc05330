import type { RunFiles } from "../chaos/run-directory.ts";

/** A run in equal parts, few enough for a page however long it was. */
export interface Buckets {
  readonly endMs: number;
  readonly widthMs: number;
  readonly count: number;
}

const BUCKETS_MAX = 480;
const END_MS_MIN = 1_000;
const STEPS_MS = [100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 60_000, 120_000];
const TICK_STEPS_MS = [
  ...[100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000],
  ...[60_000, 120_000, 300_000, 600_000, 900_000, 1_800_000, 3_600_000],
];

export function bucketsOf(endMs: number): Buckets {
  const fits = (stepMs: number): boolean => endMs / stepMs <= BUCKETS_MAX;
  const widthMs = STEPS_MS.find(fits) ?? Math.ceil(endMs / BUCKETS_MAX);
  return { endMs, widthMs, count: Math.ceil(endMs / widthMs) };
}

/** The last moment that anything in the directory names. */
export function endOf({ history, views, faults, schedule }: RunFiles): number {
  const window = schedule.at(-1);
  return Math.max(
    END_MS_MIN,
    history.at(-1)?.atMs ?? 0,
    views.at(-1)?.atMs ?? 0,
    faults.reduce((last, { fromMs, toMs }) => Math.max(last, toMs ?? fromMs), 0),
    window === undefined ? 0 : window.atMs,
  );
}

/** In which part a moment is. */
export function bucketAt({ widthMs, count }: Buckets, atMs: number): number {
  return Math.min(count - 1, Math.max(0, Math.floor(atMs / widthMs)));
}

/** Round moments, `countMax` at the most. */
export function timeTicks(endMs: number, countMax: number): number[] {
  const fits = (stepMs: number): boolean => endMs / stepMs <= countMax;
  const stepMs = TICK_STEPS_MS.find(fits) ?? Math.ceil(endMs / countMax);
  return Array.from({ length: Math.floor(endMs / stepMs) + 1 }, (_, i) => i * stepMs);
}

/** Round values from 0 to `max` or a little above: steps of 1, 2 or 5. */
export function valueTicks(max: number, countMax: number): number[] {
  const least = Math.max(1, max) / countMax;
  const power = 10 ** Math.floor(Math.log10(least));
  const step = Math.max(1, ([1, 2, 5].find((times) => times * power >= least) ?? 10) * power);
  const count = Math.max(1, Math.ceil(max / step));
  return Array.from({ length: count + 1 }, (_, i) => i * step);
}

/** `12.3 s`, and from two minutes on `2:03.4`. */
export function momentOf(atMs: number): string {
  const seconds = atMs / 1_000;
  if (seconds < 120) return `${trimmed(seconds, 1)} s`;
  const rest = trimmed(seconds % 60, 1);
  return `${Math.floor(seconds / 60)}:${rest.padStart(rest.includes(".") ? 4 : 2, "0")}`;
}

/** `0.4 ms`, `12 ms`, `1.3 s`. */
export function durationOf(ms: number): string {
  if (ms < 10) return `${trimmed(ms, 1)} ms`;
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${trimmed(ms / 1_000, 1)} s`;
}

function trimmed(value: number, digits: number): string {
  return value.toFixed(digits).replace(/\.0+$/, "");
}
