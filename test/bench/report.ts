import { closeSync, fdatasyncSync, openSync, rmSync, statfsSync, writeSync } from "node:fs";
import { availableParallelism, cpus, release, totalmem } from "node:os";
import { join } from "node:path";
import type { Place } from "./clusters.ts";
import type { Row } from "./rows.ts";
import type { ProcessorUs, SliceFigures } from "./slice.ts";
import { median, pairedRatio, type Spread } from "./statistics.ts";

const TMPFS_MAGIC = 0x01021994;
const SYNCS = 200;

/** One round of a row at one place: Rollcall's slice and, where there is one, the floor's. */
export interface Pair {
  readonly rollcall: SliceFigures | null;
  readonly floor: SliceFigures | null;
}

export interface Line {
  readonly row: Row;
  readonly place: Place;
  readonly pairs: readonly Pair[];
}

const HEAD = [
  "work",
  "in flight",
  "at",
  "pairs",
  "Rollcall/s",
  "p50 ms",
  "p99 ms",
  "pipeline/s",
  "p50 ms",
  "p99 ms",
  "rate ratio",
  "p50 ratio",
  "processor µs",
  "pipeline µs",
];

/** The figures of a run as a Markdown table: medians of slices; ratios are medians of pairs, with their range. */
export function tableOf(lines: readonly Line[]): string {
  const body = lines.map(({ row, place, pairs }) => [
    row.work.kind === "register" ? "register" : `${row.work.read} get, list of ${row.work.list}`,
    `${row.inFlight} (${row.connections} conn.)`,
    place,
    String(pairs.length),
    ...cellsOf(pairs.flatMap(({ rollcall }) => rollcall ?? [])),
    ...cellsOf(pairs.flatMap(({ floor }) => floor ?? [])),
    ratioOf(pairs, ({ opsPerSecond }) => opsPerSecond),
    ratioOf(pairs, ({ p50Ms }) => p50Ms),
    processorOf(pairs.flatMap(({ rollcall }) => rollcall?.processorUs ?? [])),
    processorOf(pairs.flatMap(({ floor }) => floor?.processorUs ?? [])),
  ]);
  const all = [HEAD, ...body];
  const widths = HEAD.map((_, column) => Math.max(...all.map((cells) => cells[column]!.length)));
  const lineOf = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(" | ")} |`;
  const rule = `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`;
  return [lineOf(HEAD), rule, ...body.map(lineOf)].join("\n");
}

function cellsOf(slices: readonly SliceFigures[]): string[] {
  if (slices.length === 0) return ["", "", ""];
  return [
    Math.round(median(slices.map(({ opsPerSecond }) => opsPerSecond))).toLocaleString("en"),
    median(slices.map(({ p50Ms }) => p50Ms)).toFixed(2),
    median(slices.map(({ p99Ms }) => p99Ms)).toFixed(2),
  ];
}

function ratioOf(pairs: readonly Pair[], figure: (slice: SliceFigures) => number): string {
  const both = pairs.flatMap(({ rollcall, floor }): [number, number][] =>
    rollcall === null || floor === null ? [] : [[figure(rollcall), figure(floor)]],
  );
  return both.length === 0 ? "" : spreadText(pairedRatio(both));
}

/** The client, the node that takes the load, and the others: how many, and their average. */
function processorOf(slices: readonly ProcessorUs[]): string {
  if (slices.length === 0) return "";
  const middle = (figure: (us: ProcessorUs) => number): string =>
    median(slices.map(figure)).toFixed(1);
  const count = slices[0]?.others.length ?? 0;
  const other = middle(({ others }) => others.reduce((sum, us) => sum + us, 0) / others.length);
  return `${middle((us) => us.client)} + ${middle((us) => us.target)} + ${count} × ${other}`;
}

function spreadText({ median: middle, min, max }: Spread): string {
  return `${middle.toFixed(2)} (${min.toFixed(2)}–${max.toFixed(2)})`;
}

/** The machine, without which the figures mean nothing. */
export function machineOf(directory: string): string {
  const model = cpus()[0]?.model ?? "unknown CPU";
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`;
  const disk = isInMemory(directory)
    ? "data on tmpfs: NOT A DISK"
    : `fdatasync p50 ${syncMs(directory).toFixed(2)} ms`;
  return [
    `${model}, ${availableParallelism()} cores, ${memory}`,
    `Linux ${release()}, Node ${process.version}, ${disk}`,
    "all nodes and the load generator share the machine",
  ].join("; ");
}

function isInMemory(directory: string): boolean {
  return statfsSync(directory).type === TMPFS_MAGIC;
}

function syncMs(directory: string): number {
  const file = join(directory, "sync-probe");
  const fd = openSync(file, "w");
  const timesMs = Array.from({ length: SYNCS }, () => {
    writeSync(
      fd,
      "a line of about the length of a registration, so that the file grows each time\n",
    );
    const fromMs = performance.now();
    fdatasyncSync(fd);
    return performance.now() - fromMs;
  });
  closeSync(fd);
  rmSync(file);
  return median(timesMs);
}
