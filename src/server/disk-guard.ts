import type { Clock, Logger, Random, Timer, Timers } from "../env/env.ts";
import {
  DISK_LOOK_MS,
  DISK_RESERVE_DELAY_MS,
  DISK_RESERVE_SNAPSHOTS,
  DISK_RESERVE_STEP_BYTES,
} from "../limits.ts";
import type { DiskState } from "../replica/disk-states.ts";
import type { Input } from "../replica/inputs.ts";
import type { ReplicaStatus } from "../replica/status.ts";
import { Reserve } from "../storage/reserve.ts";
import {
  type DiskMarks,
  type DiskSettings,
  type DiskSpace,
  marksOf,
  nextDiskState,
  roomOf,
} from "./disk-marks.ts";
import type { HealthCheck } from "./http.ts";
import { diskRoomOf } from "./machine.ts";

export interface DiskGuardOptions extends DiskSettings {
  readonly dataDir: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
}

/** Whose disk it is. */
export interface Guarded {
  status(): Pick<ReplicaStatus, "snapshotBytes" | "isSnapshotUnderWay">;
  step(input: Extract<Input, { readonly type: "disk" }>): void;
}

export interface DiskGuardStatus {
  readonly state: DiskState;
  /** As it was last seen; null where the disk has never said. */
  readonly roomBytes: number | null;
  readonly reserveBytes: number;
}

const WARNINGS: Readonly<Record<Exclude<DiskState, "ok">, string>> = {
  low: "the disk is low: no registrations while this node leads, so it hands over if it can",
  full: "the disk is full: this node takes no entries and does not campaign",
};
const WARNING_HINT = "Make room on the disk of the data directory; all of it ends by itself then.";

/**
 * Sees how much room the disk of the data directory has, and keeps the reserve (decision 0028). One
 * question, or one step of the reserve, is out at a time; a disk that does not answer changes nothing.
 */
export class DiskGuard {
  readonly #options: DiskGuardOptions;
  readonly #ask: typeof diskRoomOf;
  readonly #reserve: Reserve;
  readonly #startedMs: number;
  /** Null until the disk has said how large it is. */
  #marks: DiskMarks | null = null;
  /** What the reserve is to hold. */
  #wantedBytes: number;
  #state: DiskState = "ok";
  /** As they were when the disk was asked last; null where it has never said. */
  #seen: Omit<DiskSpace, "reserveBytes"> | null = null;
  #roomBytes: number | null = null;
  #guarded: Guarded | null = null;
  #timer: Timer | null = null;
  #looking: Promise<void> | null = null;
  #isTroubleTold = false;

  private constructor(options: DiskGuardOptions, reserve: Reserve, ask: typeof diskRoomOf) {
    this.#options = options;
    this.#reserve = reserve;
    this.#ask = ask;
    this.#startedMs = options.clock.monotonicMs();
    this.#wantedBytes = reserve.bytes;
  }

  /** Before the database is opened, which writes: where the disk is full, the reserve is given back. */
  static async open(options: DiskGuardOptions, ask = diskRoomOf): Promise<DiskGuard> {
    const guard = new DiskGuard(options, await Reserve.in(options.dataDir), ask);
    await guard.#see();
    if (guard.#marks?.reserveBytes === 0) {
      await guard.#giveBack("there is to be none (--disk-reserve, --disk-full)");
    } else if (guard.#state === "full") {
      await guard.#giveBack("the database may have to write when it is opened");
    }
    return guard;
  }

  get status(): DiskGuardStatus {
    const { bytes: reserveBytes } = this.#reserve;
    return { state: this.#state, roomBytes: this.#roomBytes, reserveBytes };
  }

  /**
   * Tells of the state, now and whenever it changes. A reserve that was given back to an earlier start
   * does not say any more what it is to hold; the snapshot does.
   */
  begin(guarded: Guarded): void {
    this.#guarded = guarded;
    this.#want(guarded.status());
    this.#judge();
    guarded.step({ type: "disk", state: this.#state });
    this.#timer = this.#options.timers.every(DISK_LOOK_MS, () => void this.look());
  }

  /** Resolves when what is asked of the disk is answered: now, or since a look before. */
  look(): Promise<void> {
    this.#looking ??= this.#turn().finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  /** Resolves when nothing is asked of the disk any more. */
  async stop(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = null;
    await this.#looking;
  }

  async #turn(): Promise<void> {
    const before = this.#state;
    await this.#see();
    if (this.#timer === null) return;
    const state = this.#state;
    if (state !== before) this.#guarded?.step({ type: "disk", state });
    await this.#keepReserve();
  }

  async #see(): Promise<void> {
    const room = await this.#ask(this.#options.dataDir);
    if (room === null) return;
    const { freeBytes, totalBytes } = room;
    const { bytes: heldBytes } = this.#reserve;
    const marks = marksOf(this.#options, totalBytes);
    this.#marks = marks;
    const isWanted = marks.reserveBytes > 0;
    this.#wantedBytes = isWanted ? Math.max(this.#wantedBytes, marks.reserveBytes) : 0;
    this.#seen = { freeBytes, heldBytes };
    this.#judge();
  }

  #judge(): void {
    const [seen, marks] = [this.#seen, this.#marks];
    if (seen === null || marks === null) return;
    this.#roomBytes = roomOf({ ...seen, reserveBytes: this.#wantedBytes });
    const state = nextDiskState(this.#state, this.#roomBytes, marks);
    if (state === this.#state) return;
    this.#state = state;
    const fields = { freeBytes: seen.freeBytes, roomBytes: this.#roomBytes };
    const { logger } = this.#options;
    if (state === "ok") logger.info(fields, "the disk has room again");
    else logger.warn({ ...fields, hint: WARNING_HINT }, WARNINGS[state]);
  }

  /** False where there is to be no reserve. */
  #want({ snapshotBytes }: Pick<ReplicaStatus, "snapshotBytes">): boolean {
    const reserveBytes = this.#marks?.reserveBytes ?? 0;
    if (reserveBytes === 0) return false;
    this.#wantedBytes = Math.max(reserveBytes, DISK_RESERVE_SNAPSHOTS * snapshotBytes);
    return true;
  }

  async #keepReserve(): Promise<void> {
    const { clock, random, logger } = this.#options;
    const observed = this.#guarded?.status();
    if (observed === undefined || !this.#want(observed)) return;
    if (this.#state === "full" && observed.isSnapshotUnderWay && this.#reserve.bytes > 0) {
      await this.#giveBack("a snapshot is on its way to the disk, and shortens the log");
      return;
    }
    const missing = this.#wantedBytes - this.#reserve.bytes;
    const isEarly = clock.monotonicMs() - this.#startedMs < DISK_RESERVE_DELAY_MS;
    if (this.#state !== "ok" || missing <= 0 || isEarly) return;
    try {
      await this.#reserve.grow(Math.min(missing, DISK_RESERVE_STEP_BYTES), random);
      this.#isTroubleTold = false;
    } catch (error) {
      // Nothing is lost with it, and what is wrong with the disk others find out who need it.
      if (!this.#isTroubleTold)
        logger.warn({ err: error }, "the reserve on the disk does not grow");
      this.#isTroubleTold = true;
    }
  }

  async #giveBack(why: string): Promise<void> {
    const { bytes } = this.#reserve;
    if (bytes === 0) return;
    const { logger } = this.#options;
    try {
      await this.#reserve.giveBack();
      logger.warn({ bytes }, `the reserve on the disk is given back: ${why}`);
    } catch (error) {
      logger.warn({ err: error }, "the reserve on the disk cannot be given back");
    }
  }
}

/** A node that is short of disk serves reads and renewals, so it stays ready, unless it is stranded. */
export function diskCheck({
  disk,
  isStranded,
}: Pick<ReplicaStatus, "disk" | "isStranded">): HealthCheck {
  const name = "disk";
  if (isStranded) return { name, failure: "it is full, and the others go on without this node" };
  return disk === "ok" ? { name, failure: null } : { name, failure: null, note: WARNINGS[disk] };
}
