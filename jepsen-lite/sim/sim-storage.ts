import { MARK_SYNC_MS, SWEEP_IDLE_MS } from "../../src/limits.ts";
import type { ChunkRequest } from "../../src/raft/snapshot.ts";
import type { PersistRequest } from "../../src/raft/types.ts";
import type { ChunkRead } from "../../src/replica/inputs.ts";
import type { FileSteps } from "../../src/storage/file-step.ts";
import type { DiskStep, MemoryLog } from "../../src/storage/memory-storage.ts";
import type { PersistStep } from "../../src/storage/persist-plan.ts";
import { unreachable } from "../../src/util/assert.ts";
import type { SimDisk } from "./disk.ts";

/** What a disk costs of time. `later` is void once the process is dead. */
export interface DiskTime {
  later(delayMs: number, run: () => void): void;
  /** Of the next access. */
  delayMs(): number;
  /** For how long neither disk nor process goes on; 0 where nothing stands still. */
  stallMs(): number;
}

/**
 * What a process does with its disk, in virtual time: the plans of the product, each step begun when
 * the one before is complete, and beside them the mark and the sweep, which nobody waits for. A
 * crash falls between any two of these.
 */
export class SimStorage {
  readonly #disk: SimDisk;
  readonly #log: MemoryLog;
  readonly #time: DiskTime;
  #out: PersistRequest | null = null;
  #isSweeping = false;
  /** Only the last one counts. */
  #sweepTimer = 0;
  /** Until the sweep that is out is over. */
  #waiting: (() => void) | null = null;
  #isMarkDue = false;
  /** The first of them is being written. */
  readonly #marks: { readonly steps: FileSteps; readonly done: () => void }[] = [];

  constructor(disk: SimDisk, log: MemoryLog, time: DiskTime) {
    this.#disk = disk;
    this.#log = log;
    this.#time = time;
    this.#sweepLater();
  }

  get isWritingEntries(): boolean {
    return (this.#out?.entries.length ?? 0) > 0;
  }

  persist(request: PersistRequest, done: () => void): void {
    this.#out = request;
    this.#sweepTimer += 1;
    const begin = (): void => {
      this.#disk.handed(request);
      this.#carryOut(this.#log.plan(request), () => {
        this.#out = null;
        this.#disk.reported(request);
        this.#sweepLater();
        done();
      });
    };
    if (this.#isSweeping) this.#waiting = begin;
    else begin();
  }

  readChunk(request: ChunkRequest, done: (read: ChunkRead) => void): void {
    this.#time.later(this.#time.delayMs(), () => {
      done({ request, chunk: this.#log.readChunk(request.id, request.chunk) });
    });
  }

  #carryOut(steps: readonly PersistStep[], done: () => void, at = 0): void {
    const step = steps[at];
    if (step === undefined) {
      done();
      return;
    }
    const next = (): void => this.#carryOut(steps, done, at + 1);
    switch (step.type) {
      case "vote":
        this.#write(this.#log.votes.write(step.hardState), next);
        break;
      case "mark":
        this.#writeMark(this.#log.mark.set(this.#log.marked(step)), next);
        break;
      case "batch":
        this.#access(step, next);
        break;
      case "raiseMark":
        this.#log.mark.raise(this.#log.marked(step));
        this.#markLater();
        next();
        break;
      default:
        unreachable(step);
    }
  }

  #markLater(): void {
    if (this.#isMarkDue) return;
    this.#isMarkDue = true;
    this.#time.later(MARK_SYNC_MS, () => {
      this.#isMarkDue = false;
      this.#writeMark(this.#log.mark.writeWanted(), () => {});
    });
  }

  #writeMark(steps: FileSteps, done: () => void): void {
    this.#marks.push({ steps, done });
    if (this.#marks.length === 1) this.#nextMark();
  }

  #nextMark(): void {
    const first = this.#marks[0];
    if (first === undefined) return;
    this.#write(first.steps, () => {
      this.#marks.shift();
      this.#nextMark();
      first.done();
    });
  }

  #sweepLater(): void {
    if (!this.#log.hasLeftovers) return;
    this.#sweepTimer += 1;
    const timer = this.#sweepTimer;
    this.#time.later(SWEEP_IDLE_MS, () => {
      if (this.#sweepTimer !== timer) return;
      this.#isSweeping = true;
      this.#access(this.#log.sweepStep(), () => {
        this.#isSweeping = false;
        const begin = this.#waiting;
        this.#waiting = null;
        if (begin === null) this.#sweepLater();
        else begin();
      });
    });
  }

  /** A write to a file is in memory at once; the sync takes its time. */
  #write(steps: FileSteps, done: () => void): void {
    for (let step = steps.next(); ; step = steps.next()) {
      if (step.done === true) {
        done();
        return;
      }
      if (step.value.type === "sync") {
        this.#access(step.value, () => this.#write(steps, done));
        return;
      }
      this.#disk.begin(step.value);
    }
  }

  #access(step: DiskStep, done: () => void): void {
    this.#disk.begin(step);
    this.#time.later(this.#time.delayMs(), () => this.#complete(step, done));
  }

  #complete(step: DiskStep, done: () => void): void {
    const stallMs = this.#time.stallMs();
    if (stallMs > 0) {
      this.#time.later(stallMs, () => this.#complete(step, done));
    } else {
      this.#disk.complete(step);
      done();
    }
  }
}
