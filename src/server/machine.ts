import { statfs } from "node:fs/promises";
import type { Clock, Timers } from "../env/env.ts";
import { deferred } from "../util/deferred.ts";
import type { Scrubber } from "./scrubber.ts";

export interface DiskRoom {
  /** For whoever is not root. */
  readonly freeBytes: number;
  readonly totalBytes: number;
}

/** What the machine of a node says, and its replica does not know. */
export interface MachineStatus {
  /** Of its clock, in milliseconds since the epoch. */
  readonly wallMs: number;
  /** Of the data directory; null where the disk does not answer. */
  readonly disk: DiskRoom | null;
  /** Of the data directory: what a scrub found not to be as it was written. */
  readonly damagedFiles: readonly string[];
}

const PATIENCE_MS = 100;

/** Null where the disk does not say. */
export async function diskRoomOf(path: string): Promise<DiskRoom | null> {
  try {
    const { bavail, blocks, bsize } = await statfs(path);
    return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
  } catch {
    return null;
  }
}

/**
 * The machine that a node runs on. A disk that hangs holds nobody up: one question is out at a time,
 * and who does not want to wait for it goes without.
 */
export class Machine {
  readonly #dataDir: string;
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #look: typeof diskRoomOf;
  #asked: Promise<DiskRoom | null> | null = null;
  #scrubber: Pick<Scrubber, "damagedFiles"> | null = null;

  constructor(dataDir: string, clock: Clock, timers: Timers, look = diskRoomOf) {
    this.#dataDir = dataDir;
    this.#clock = clock;
    this.#timers = timers;
    this.#look = look;
  }

  scrubbedBy(scrubber: Pick<Scrubber, "damagedFiles">): void {
    this.#scrubber = scrubber;
  }

  async status(): Promise<MachineStatus> {
    this.#asked ??= this.#look(this.#dataDir).finally(() => {
      this.#asked = null;
    });
    const late = deferred<null>();
    const timer = this.#timers.after(PATIENCE_MS, () => late.resolve(null));
    const disk = await Promise.race([this.#asked, late.promise]);
    timer.cancel();
    const damagedFiles = this.#scrubber?.damagedFiles ?? [];
    return { wallMs: this.#clock.wallMs(), disk, damagedFiles };
  }
}
