import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { command } from "./command.ts";
import { DYING_WITH_PARENT } from "./dying-with.ts";

/** All by which a node changes what is in its directory, and the opening of its files. */
export const SYSCALLS = [
  ...["openat", "write", "pwrite64", "fdatasync", "fsync", "rename", "unlink", "ftruncate"],
  ...["mkdir", "rmdir"],
] as const;

/** Of all threads. Whoever kills strace kills what it watches, too. */
const STRACE = [...DYING_WITH_PARENT, "strace", "-f", "-qq"];

/** The `count`th call of this name on one of `paths`, by whichever thread is the first to come so far. */
export interface SyscallMoment {
  readonly syscall: string;
  readonly count: number;
  readonly paths: readonly string[];
}

/**
 * A command line that runs another one until such a call, before which all of its threads are killed:
 * strace sends the signal where the call begins, and the kernel does not begin it then.
 *
 * Strace counts each syscall of each thread by itself, and only those on the paths, which it compares
 * as a whole. With `--seccomp-bpf` the signal is never sent (strace 6.1): the kernel drops signals
 * for whoever stops at such a filter.
 */
export function killedAt(
  { syscall, count, paths }: SyscallMoment,
  argv: readonly string[],
): readonly string[] {
  const inject = `inject=${syscall}:signal=KILL:when=${count}`;
  const places = paths.flatMap((path) => ["-P", path]);
  const options = ["-o", "/dev/null", ...places, "-e", `trace=${syscall}`, "-e", inject];
  return [...STRACE, ...options, ...watched(argv)];
}

/** One that writes into `file` what it calls, with the path of every descriptor. */
export function traced(file: string, argv: readonly string[]): readonly string[] {
  const trace = `trace=${SYSCALLS.join()}`;
  return [...STRACE, "-y", "-s", "256", "-o", file, "-e", trace, ...watched(argv)];
}

function watched(argv: readonly string[]): readonly string[] {
  return [...DYING_WITH_PARENT, ...argv];
}

export interface Syscall {
  readonly thread: string;
  readonly syscall: string;
  readonly paths: readonly string[];
  /** What follows the first argument; cut off behind 256 bytes. */
  readonly rest: string;
}

/** The calls of a file of `traced`, in the order in which they began. */
export function syscallsIn(text: string): Syscall[] {
  return text.split("\n").flatMap((line) => {
    const [, thread = "", syscall = "", args = ""] = /^(\d+) +(\w+)\((.*)$/.exec(line) ?? [];
    if (syscall === "") return [];
    const [ofDescriptor, path] = /^\d+<(.*?)>/.exec(args) ?? [];
    const rest = args.slice(ofDescriptor?.length ?? 0);
    const named = [...args.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, name = ""]) => name);
    return [{ thread, syscall, paths: path === undefined ? named : [path], rest }];
  });
}

/** Null where strace kills at a call that is named, and before it; otherwise what is missing here. */
export async function missingForKills(): Promise<string | null> {
  const directory = await mkdtemp(join(tmpdir(), "rollcall-strace-"));
  try {
    const path = join(directory, "file");
    const program = `for (const text of "abc") fs.appendFileSync(${JSON.stringify(path)}, text);`;
    const moment = { syscall: "write", count: 2, paths: [path] };
    const [file = "", ...args] = killedAt(moment, [process.execPath, "-e", program]);
    const end = await command(file, ...args).catch(({ message }: Error) => message);
    const content = await readFile(path, "utf8").catch(() => "nothing");
    return content === "a" ? null : `strace that kills at a call (it left ${content}; ${end})`;
  } finally {
    await rm(directory, { recursive: true });
  }
}
