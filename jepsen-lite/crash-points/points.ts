import { join } from "node:path";
import { DIRECTORY_FILES } from "../../src/storage/layout.ts";
import { SYSCALLS, type Syscall, type SyscallMoment } from "../faults/strace.ts";
import type { StepMoment } from "./failpoint.ts";
import type { Passed } from "./told.ts";

/** Counted for itself: the own files, LevelDB's log, and all else of LevelDB but its messages. */
const CLASSES = ["files", "log", "tables"] as const;
type FileClass = (typeof CLASSES)[number];

/** Where a process is killed. */
export type Point =
  | { readonly type: "step"; readonly moment: StepMoment }
  | {
      readonly type: "syscall";
      readonly files: FileClass;
      readonly syscall: string;
      readonly count: number;
    };

/** LevelDB counts its files up; nobody gets so far here. */
const NUMBERS = Array.from({ length: 40 }, (_, i) => String(i + 1).padStart(6, "0"));
const GENERATIONS = ["", ".1"];

/** Strace knows whole paths only, so each that there may be is named. */
const NAMES: Readonly<Record<FileClass, readonly string[]>> = {
  files: [
    "",
    ...Object.values(DIRECTORY_FILES)
      .filter((name) => name !== DIRECTORY_FILES.database)
      .flatMap((name) => [name, `${name}.tmp`]),
    `${DIRECTORY_FILES.mark}.1`,
  ],
  log: ofDatabases((database) => NUMBERS.map((number) => `${database}/${number}.log`)),
  tables: ofDatabases((database) => [
    database,
    `${database}/CURRENT`,
    ...NUMBERS.flatMap((number) => [
      `${database}/${number}.ldb`,
      `${database}/${number}.dbtmp`,
      `${database}/MANIFEST-${number}`,
    ]),
  ]),
};

function ofDatabases(names: (database: string) => readonly string[]): readonly string[] {
  return GENERATIONS.flatMap((suffix) => names(`${DIRECTORY_FILES.database}${suffix}`));
}

export function momentOf(point: Point & { type: "syscall" }, path: string): SyscallMoment {
  const { syscall, count, files } = point;
  return { syscall, count, paths: NAMES[files].map((name) => join(path, name)) };
}

/** All but the number. */
export function kindOf(point: Point): string {
  if (point.type === "syscall") return `${point.syscall} of ${point.files}`;
  const { side, step } = point.moment;
  return `${side} ${step}`;
}

export function textOf(point: Point): string {
  const count = point.type === "syscall" ? point.count : point.moment.count;
  return `${kindOf(point)}, number ${count}`;
}

/** Each side of each step. */
export function pointsOfSteps(steps: readonly Passed[]): Point[] {
  const counts = new Map<string, number>();
  return steps.map(({ side, step }) => {
    const count = (counts.get(`${side} ${step}`) ?? 0) + 1;
    counts.set(`${side} ${step}`, count);
    return { type: "step", moment: { side, step, count } };
  });
}

/**
 * The calls of a run that was not killed, as strace would count them in the next one. Of two threads
 * that make as many calls of a kind, the first one dies.
 */
export function pointsOfCalls(calls: readonly Syscall[], path: string): Point[] {
  const classOf = new Map<string, FileClass>();
  for (const files of CLASSES)
    for (const name of NAMES[files]) classOf.set(join(path, name), files);
  const ofThread = new Map<string, number>();
  const highest = new Map<string, number>();
  return calls.flatMap(({ thread, syscall, paths }): Point[] => {
    const files = paths.map((each) => classOf.get(each)).find((each) => each !== undefined);
    if (files === undefined || !(SYSCALLS as readonly string[]).includes(syscall)) return [];
    const kind = `${syscall} of ${files}`;
    const count = (ofThread.get(`${thread} ${kind}`) ?? 0) + 1;
    ofThread.set(`${thread} ${kind}`, count);
    if (count <= (highest.get(kind) ?? 0)) return [];
    highest.set(kind, count);
    return [{ type: "syscall", files, syscall, count }];
  });
}

/** Those of `points` that are not among the first. */
export function without(points: readonly Point[], first: readonly Point[]): Point[] {
  const known = new Set(first.map(textOf));
  return points.filter((point) => !known.has(textOf(point)));
}
