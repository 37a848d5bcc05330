import type { Entry, HardState, LogIndex, PersistRequest } from "../../src/raft/types.ts";
import { decodeMark } from "../../src/storage/mark-record.ts";
import { type DiskStep, MemoryDisk, type Opened } from "../../src/storage/memory-storage.ts";
import { StorageError } from "../../src/storage/storage.ts";
import type { Prng } from "../prng.ts";
import { DiskImage } from "./disk-image.ts";
import { Unsynced } from "./unsynced.ts";
import { demand, Violation } from "./violation.ts";

/** That a crash is followed by a start which is cut off by another one, per mille. */
const CUT_START_CHANCE = 300;
/** As many as a start has. */
const START_STEPS = 7;

/**
 * The disk of one node, in the product's own layout: it outlives the processes, and forgets in a
 * power cut what was not synced. Beside it the judge's copy of what was reported as written, which
 * every start has to find again.
 */
export class SimDisk {
  readonly #id: string;
  readonly #disk: MemoryDisk;
  readonly #unsynced: Unsynced;
  /** As was reported. */
  #image = new DiskImage();
  /** Handed over, and not reported yet: any part of it may be on the disk. */
  #request: PersistRequest | null = null;
  /** Where the synced log ends; null until a start has found out. */
  #lastIndex: LogIndex | null = null;
  /** Of the mark that was written last. */
  #markIndex: LogIndex = 0;
  /** A batch that the database was given. */
  #batch: (DiskStep & { type: "batch" }) | null = null;

  constructor(id: string) {
    this.#id = id;
    this.#disk = new MemoryDisk(id);
    this.#unsynced = new Unsynced(this.#disk);
  }

  get hardState(): HardState {
    return this.#image.hardState;
  }

  entry(index: LogIndex): Entry | undefined {
    return this.#image.entry(index);
  }

  /** Which it holds, or set aside and votes as if it held it. */
  vouchedEntry(index: LogIndex): Entry | undefined {
    return this.#image.vouchedEntry(index);
  }

  /** Its log was set aside, and it was not said to be back. */
  get isReturning(): boolean {
    return this.#image.lostEnd !== null;
  }

  /** A write with entries is on its way. */
  get isWritingEntries(): boolean {
    return (this.#request?.entries.length ?? 0) > 0;
  }

  /** A node asks for it, and has no answer until `reported`. */
  handed(request: PersistRequest): void {
    this.#request = request;
  }

  reported(request: PersistRequest): void {
    this.#request = null;
    this.#image.apply(request);
  }

  begin(step: DiskStep): void {
    if (step.type === "write") {
      this.#unsynced.write(step);
      if (step.file === "mark") this.#marked(step.content);
    }
    if (step.type === "batch") this.#batch = step;
  }

  complete(step: DiskStep): void {
    if (step.type === "sync") this.#unsynced.sync(step.file);
    if (step.type === "batch") {
      this.#batch = null;
      this.#unsynced.batch(step.operations);
      this.#unsynced.syncDatabase();
      if (this.#request !== null && this.#lastIndex !== null) {
        this.#lastIndex = this.#image.lastIndexAfter(this.#request);
      }
      this.#checkMark();
    }
  }

  /** The process dies, or the whole machine. */
  crash(isPowerCut: boolean, prng: Prng): void {
    this.#stop(isPowerCut, prng);
    while (prng.chance(CUT_START_CHANCE)) {
      this.#cutStart(prng);
    }
  }

  /** A start of the node. */
  start(): Opened {
    const steps = this.#disk.start();
    for (;;) {
      const step = this.#next(steps);
      if (step.done === true) {
        this.#image = this.#matching(step.value);
        this.#request = null;
        this.#lastIndex = this.#image.lastIndex;
        this.#checkMark();
        return step.value;
      }
      this.begin(step.value);
      this.complete(step.value);
    }
  }

  /** Of a node that is down: it starts next with term and vote, and the end of its log, only. */
  setAside(): void {
    const steps = this.#disk.beginReturn();
    for (;;) {
      const step = this.#next(steps);
      if (step.done === true) {
        const image = this.#matching({ loaded: step.value, lostEnd: this.#image.lostEnd });
        this.#image = image.setAside();
        break;
      }
      this.begin(step.value);
      this.complete(step.value);
    }
    this.#unsynced.clear();
    this.#request = null;
    this.#markIndex = 0;
  }

  /** The node has again what it had. */
  returned(): void {
    this.#disk.returned();
    this.#image.returned();
  }

  #cutStart(prng: Prng): void {
    const steps = this.#disk.start();
    for (let left = prng.below(START_STEPS); ; left -= 1) {
      const step = this.#next(steps);
      if (step.done === true) break;
      this.begin(step.value);
      if (left === 0) break;
      this.complete(step.value);
    }
    this.#stop(prng.chance(500), prng);
  }

  /** A batch may or may not have reached the page cache. */
  #stop(isPowerCut: boolean, prng: Prng): void {
    if (this.#batch !== null && prng.chance(500)) this.#unsynced.batch(this.#batch.operations);
    this.#batch = null;
    if (isPowerCut) this.#unsynced.cutPower(prng);
    this.#lastIndex = null;
  }

  #marked(content: Uint8Array): void {
    this.#markIndex = decodeMark(content, this.#id)?.position.index ?? 0;
    this.#checkMark();
  }

  #checkMark(): void {
    demand(
      this.#lastIndex === null || this.#markIndex <= this.#lastIndex,
      () => `${this.#id} has a mark at ${this.#markIndex}, and its log ends at ${this.#lastIndex}`,
    );
  }

  /** No crash does what a start may call damage. */
  #next<Result>(steps: Generator<DiskStep, Result, void>): IteratorResult<DiskStep, Result> {
    try {
      return steps.next();
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      throw new Violation(`${this.#id} does not start after a crash: ${error.message}`);
    }
  }

  /** All that was reported is there, and of what was not a part that stands by itself. */
  #matching(read: Pick<Opened, "loaded" | "lostEnd">): DiskImage {
    const images = [this.#image];
    if (this.#request !== null) {
      const { hardState } = this.#request;
      images.push(this.#image.with({ hardState }), this.#image.with(this.#request));
    }
    const found = images.find((image) => image.differsFrom(read) === null);
    demand(found !== undefined, () => {
      const differences = images.map((image) => image.differsFrom(read));
      return `${this.#id} started with ${differences.join(", or ")}`;
    });
    return found;
  }
}
