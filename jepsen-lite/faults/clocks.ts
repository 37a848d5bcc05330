import { rename, writeFile } from "node:fs/promises";
import { command } from "./command.ts";

/**
 * Whatever reads the wall clock of this process, and nothing else of the time: monotonic clocks and
 * timers are as they were. The loader puts in the name of the machine's own directory.
 */
const LIBRARY = "/usr/$LIB/faketime/libfaketimeMT.so.1";
const SHIFT_S = 3_600;
const EPOCH_S = 100_000;
/** What a machine may take between two looks at its clock. */
const SLACK_S = 300;

/** The wall clock of processes that are started under it, which can jump while they run. */
export class WallClock {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  /** Right, until it is told otherwise. `path`: of a file that those processes read at each look. */
  static async make(path: string): Promise<WallClock> {
    const clock = new WallClock(path);
    await clock.set(0);
    return clock;
  }

  /** From the next look at it on, so many milliseconds ahead of what it should be, or behind. */
  async set(aheadMs: number): Promise<void> {
    const next = `${this.#path}.next`;
    const sign = aheadMs < 0 ? "-" : "+";
    await writeFile(next, `${sign}${(Math.abs(aheadMs) / 1_000).toFixed(3)}\n`);
    // Never half of it: what cannot be read ends the process.
    await rename(next, this.#path);
  }

  /** The command line that runs another one under this clock. */
  under(argv: readonly string[]): readonly string[] {
    return [
      ...["env", `LD_PRELOAD=${LIBRARY}`, `FAKETIME_TIMESTAMP_FILE=${this.#path}`],
      ...["FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1", "NO_FAKE_STAT=1"],
      ...argv,
    ];
  }
}

/**
 * The library keeps something in shared memory, which a process that is killed leaves there: here it
 * goes with the mount namespace of this process.
 */
export async function ownSharedMemory(): Promise<void> {
  await command("mount", "-t", "tmpfs", "rollcall", "/dev/shm");
}

/** A command line that runs another one with a monotonic clock that began so much earlier. */
export function withEpoch(seconds: number, argv: readonly string[]): readonly string[] {
  return [
    ...["unshare", "--time", "--monotonic", String(seconds)],
    // Only its children would have it (before Linux 6.3), and it is to stay the same process.
    ...["nsenter", "--time=/proc/self/ns/time_for_children", "--"],
    ...argv,
  ];
}

/** Null where a process can be given a wall clock of its own, and keeps the monotonic one. */
export async function missingForWallClock(path: string): Promise<string | null> {
  const clock = await WallClock.make(path);
  await clock.set(SHIFT_S * 1_000);
  const seen = await clocksUnder((argv) => clock.under(argv));
  if (typeof seen === "string") return seen;
  const isShifted = Math.abs(seen.wallS - Date.now() / 1_000 - SHIFT_S) < SLACK_S;
  if (!isShifted) return "libfaketime, which changes nothing";
  return isNear(seen.monotonicS, 0) ? null : "a libfaketime that leaves the monotonic clock alone";
}

/** Null where a process can be given a monotonic clock of its own. */
export async function missingForEpochs(): Promise<string | null> {
  const seen = await clocksUnder((argv) => withEpoch(EPOCH_S, argv));
  if (typeof seen === "string") return seen;
  return isNear(seen.monotonicS, EPOCH_S) ? null : "a time namespace, which changes nothing";
}

function isNear(monotonicS: number, aheadS: number): boolean {
  return Math.abs(monotonicS - process.hrtime()[0] - aheadS) < SLACK_S;
}

interface Seen {
  readonly wallS: number;
  readonly monotonicS: number;
}

/** What a process under it sees, or why it does not run. */
async function clocksUnder(
  wrapped: (argv: readonly string[]) => readonly string[],
): Promise<Seen | string> {
  const program = "console.log(JSON.stringify([Date.now() / 1000, process.hrtime()[0]]))";
  const [file = "", ...args] = wrapped([process.execPath, "-e", program]);
  return await command(file, ...args).then(
    (said) => {
      const [wallS, monotonicS] = JSON.parse(said) as [number, number];
      return { wallS, monotonicS };
    },
    ({ message }: Error) => message,
  );
}
