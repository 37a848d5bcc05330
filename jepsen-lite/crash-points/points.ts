import { readdir } from "node:fs/promises";
import { join, relative } from "node:path";
import { DIRECTORY_FILES } from "../../src/storage/layout.ts";
import { SYSCALLS, type Syscall, type SyscallMoment } from "../faults/strace.ts";
import type { StepMoment } from "./failpoint.ts";
import type { Passed } from "./told.ts";

/** Counted for itself: the own files, LevelDB's log, and all else of LevelDB but its messages. */
type FileClass = "files" | "log" | "tables";

/** Where a process is killed. */
export type Point =
  | { readonly type: "step"; readonly moment: StepMoment }
  | {
      readonly type: "syscall";
      readonly files: FileClass;
      readonly syscall: string;
      readonly count: number;
    };

/** How far LevelDB counts its files up at most, in one run. */
const NUMBERS_AHEAD = 60;
const { database: DATABASE, mark: MARK } = DIRECTORY_FILES;
const OWN_FILES = Object.values(DIRECTORY_FILES).filter((name) => name !== DATABASE);
const DATABASES = [DATABASE, `${DATABASE}.1`, `${DATABASE}.2`];
const CLASS_OF: readonly (readonly [FileClass, RegExp])[] = [
  ["log", /^db(?:\.\d+)?\/\d+\.log$/],
  ["tables", /^db(?:\.\d+)?(?:\/(?:CURRENT|MANIFEST-\d+|\d+\.(?:ldb|dbtmp)))?$/],
  ["files", /^[\w-]*(?:\.tmp|\.\d+)?$/],
];

function classOf(name: string): FileClass | null {
  return CLASS_OF.find(([, pattern]) => pattern.test(name))?.[0] ?? null;
}

/** Strace knows whole paths only, so each that there is or may come is named. */
async function namesIn(path: string): Promise<readonly string[]> {
  const names = ["", ...OWN_FILES.flatMap((name) => [name, `${name}.tmp`])];
  names.push(`${MARK}.1`, `${MARK}.2`);
  for (const database of DATABASES) {
    const there = await readdir(join(path, database)).catch(() => []);
    const numbers = there.map((name) => Number(/\d+/.exec(name)?.[0] ?? 0));
    const last = Math.max(0, ...numbers);
    for (let ahead = 1; ahead <= NUMBERS_AHEAD; ahead += 1) numbers.push(last + ahead);
    const files = [...new Set(numbers)].flatMap((number) => {
      const digits = String(number).padStart(6, "0");
      return [`${digits}.log`, `${digits}.ldb`, `${digits}.dbtmp`, `MANIFEST-${digits}`];
    });
    names.push(database, ...["CURRENT", ...files].map((name) => `${database}/${name}`));
  }
  return names;
}

/** In what is in `path` now, and may be there soon. */
export async function momentOf(
  { syscall, count, files }: Point & { type: "syscall" },
  path: string,
): Promise<SyscallMoment> {
  const names = (await namesIn(path)).filter((name) => classOf(name) === files);
  return { syscall, count, paths: names.map((name) => join(path, name)) };
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
  const ofThread = new Map<string, number>();
  const highest = new Map<string, number>();
  return calls.flatMap(({ thread, syscall, paths }): Point[] => {
    const names = paths.map((each) => relative(path, each));
    const files = names.map(classOf).find((each) => each !== null);
    if (files === undefined || files === null || !(SYSCALLS as readonly string[]).includes(syscall))
      return [];
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
