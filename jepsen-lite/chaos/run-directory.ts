import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Judgement } from "../checker/verdict.ts";
import type { History } from "../history.ts";
import type { Evidence, Ground } from "../nemeses/nemesis.ts";
import type { Counts } from "./counts.ts";
import { readHistory } from "./history-file.ts";
import { readJsonLines } from "./json-lines.ts";
import type { Orders } from "./orders.ts";
import type { NodeSample } from "./sampler.ts";

/** What a run leaves, beside the data and the logs of its nodes. Every moment is of one clock. */
export const FILES = {
  orders: "orders.json",
  history: "history.jsonl",
  schedule: "schedule.jsonl",
  faults: "faults.json",
  views: "views.jsonl",
  verdict: "verdict.json",
  result: "result.json",
  report: "report.html",
} as const;

/** A stretch of time as it was drawn, whatever came of it; a line of `schedule.jsonl`. */
export interface DrawnWindow {
  readonly atMs: number;
  readonly lengthMs: number;
  /** `atMs` is into the window. */
  readonly strikes: readonly {
    readonly nemesis: string;
    readonly atMs: number;
    readonly forMs: number;
  }[];
}

/** What was done to the world, and when; by the clock of the history. */
export interface Disturbance {
  readonly nemesis: string;
  readonly on: Ground;
  readonly what: string;
  readonly fromMs: number;
  /** Null where the run ended before. */
  readonly toMs: number | null;
  /** What was seen of its effect; null: nothing. */
  readonly evidence: Evidence | null;
}

/** What the harness saw itself, without the checkers. */
export interface Broken {
  readonly what: string;
  /** Null: at no moment in particular. */
  readonly atMs: number | null;
}

export interface Outcome {
  readonly outcome: "valid" | "invalid" | "unknown";
  /** What was broken, or why nothing can be said. */
  readonly why: readonly string[];
}

export interface RunResult extends Outcome {
  readonly seed: number;
  readonly nodes: number;
  readonly broken: readonly Broken[];
  /** Why a run in which nothing was found says nothing, by what the harness saw. */
  readonly doubts: readonly string[];
  /** From the start of the nodes to the end of the last. */
  readonly seconds: number;
  readonly operations: number;
  readonly acknowledged: number;
  readonly reads: number;
  readonly deliveries: number;
  readonly elections: number;
  /** That took effect, and that did not, as far as was seen. */
  readonly faults: Readonly<Record<string, number>>;
  readonly faultsInVain: Readonly<Record<string, number>>;
  readonly looked: Judgement["looked"];
  readonly bounds: Judgement["bounds"];
  readonly referee: Judgement["referee"];
  /** By kind: what was asked and how it was answered, and what clients saw. */
  readonly counts: Counts;
  readonly machine: {
    /** By name; null where it was there, otherwise what was missing. */
    readonly capabilities: Readonly<Record<string, string | null>>;
    /** Nemeses that were asked for, and why they were not at work. */
    readonly skipped: Readonly<Record<string, string>>;
    /** By which the monotonic clock of each node was ahead. */
    readonly epochsSeconds: Readonly<Record<string, number>>;
  };
}

/** All that a directory says of a run; null is what a run that was cut off did not come to. */
export interface RunFiles {
  readonly history: History;
  readonly schedule: readonly DrawnWindow[];
  readonly faults: readonly Disturbance[];
  readonly views: readonly NodeSample[];
  readonly verdict: Judgement | null;
  readonly result: RunResult | null;
  readonly orders: Orders | null;
}

export async function writeJson(path: string, value: unknown): Promise<void> {
  await writeFile(path, `${JSON.stringify(value, null, 2)}\n`);
}

/**
 * @param history Where it has been read already.
 * @throws What reading throws, unless a file is not there.
 */
export async function readRun(directory: string, history?: History): Promise<RunFiles> {
  const at = (name: string): string => join(directory, name);
  return {
    history: history ?? (await readHistory(at(FILES.history))),
    schedule: (await unlessMissing(readJsonLines<DrawnWindow>(at(FILES.schedule)))) ?? [],
    faults: (await unlessMissing(readJson<Disturbance[]>(at(FILES.faults)))) ?? [],
    views: (await unlessMissing(readJsonLines<NodeSample>(at(FILES.views)))) ?? [],
    verdict: await unlessMissing(readJson<Judgement>(at(FILES.verdict))),
    result: await unlessMissing(readJson<RunResult>(at(FILES.result))),
    orders: await unlessMissing(readJson<Orders>(at(FILES.orders))),
  };
}

async function readJson<T>(path: string): Promise<T> {
  return JSON.parse(await readFile(path, "utf8")) as T;
}

async function unlessMissing<T>(read: Promise<T>): Promise<T | null> {
  return await read.catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
}
