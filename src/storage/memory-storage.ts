import type { PersistRequest } from "../raft/types.ts";
import { assert } from "../util/assert.ts";
import { damaged } from "./disk-errors.ts";
import type { KeyValueOperation } from "./key-value-store.ts";
import { LOG_START, type LogPosition } from "./layout.ts";
import { decodeMark, encodeMark, laterMark } from "./mark-file.ts";
import { PersistPlanner } from "./persist-plan.ts";
import { describeDamage, LogVerifier, type Verdict } from "./recovery.ts";
import type { LoadedLog, Storage } from "./storage.ts";
import { decodeVote, encodeVote, firstVote, newerVote } from "./vote-file.ts";

/** The steps of a persist, in order; a crash falls behind one of them. */
export type PersistStep = "begun" | "voteA" | "voteB" | "markLowered" | "batch" | "markRaised";

const STEPS: readonly PersistStep[] = [
  "begun",
  "voteA",
  "voteB",
  "markLowered",
  "batch",
  "markRaised",
];

/**
 * The disk of a member that lives in memory, in the same bytes as a data directory: it survives
 * the crashes of its node, and keeps exactly what had been written. Everything is synchronous, so
 * that the simulator decides when a write completes. Its fields are open to disk faults.
 */
export class MemoryDisk {
  /** By key as hex digits, which sort as the bytes do. */
  readonly records = new Map<string, Uint8Array>();
  readonly votes: [Uint8Array, Uint8Array];
  /** The slot that a crash leaves alone, and the one that it may revert to what is in the first. */
  readonly marks: [synced: Uint8Array, latest: Uint8Array];
  readonly incarnation: string;
  #start = 0;

  constructor(incarnation: string) {
    const vote = encodeVote(firstVote(incarnation));
    const mark = encodeMark({ position: LOG_START, write: 0, incarnation });
    this.incarnation = incarnation;
    this.votes = [vote, vote];
    this.marks = [mark, mark];
  }

  /** A crash of the whole machine: what of the mark was not synced is gone. */
  loseUnsynced(): void {
    this.marks[1] = this.marks[0];
  }

  /** What a start of the node would find. Null when neither vote can be read. */
  read(): Verdict | null {
    const hardState = this.#vote();
    if (hardState === null) return null;
    const verifier = new LogVerifier(LOG_START);
    for (const key of [...this.records.keys()].sort()) {
      const value = this.records.get(key);
      if (value !== undefined) verifier.take(Buffer.from(key, "hex"), value);
    }
    const { term, vote } = hardState;
    return verifier.finish({ term, vote }, this.#mark()?.position ?? null);
  }

  /**
   * A start of the node. An earlier one of the same disk must not write any more.
   *
   * @throws StorageError DAMAGED
   */
  open(): { readonly loaded: LoadedLog; readonly log: MemoryLog } {
    const verdict = this.read();
    if (verdict === null) throw damaged("memory", "neither vote can be read");
    if (verdict.type === "damaged") throw damaged("memory", describeDamage(verdict.damage));
    const { loaded, positions } = verdict;
    this.#start += 1;
    const start = this.#start;
    const planner = new PersistPlanner(loaded.hardState, positions, loaded.commitIndex);
    this.writeVotes({ ...loaded.hardState }, "voteB");
    this.writeMark(planner.last);
    this.syncMark();
    const log = new MemoryLog(this, planner, () => this.#start === start);
    return { loaded, log };
  }

  writeVotes(hardState: LoadedLog["hardState"], until: "voteA" | "voteB"): void {
    const write = (this.#vote()?.write ?? 0) + 1;
    const content = encodeVote({ ...hardState, write, incarnation: this.incarnation });
    this.votes[0] = content;
    if (until === "voteB") this.votes[1] = content;
  }

  writeMark(position: LogPosition): void {
    const write = (this.#mark()?.write ?? 0) + 1;
    this.marks[1] = encodeMark({ position, write, incarnation: this.incarnation });
  }

  syncMark(): void {
    this.marks[0] = this.marks[1];
  }

  writeBatch(operations: readonly KeyValueOperation[]): void {
    for (const operation of operations) {
      const key = Buffer.from(operation.key).toString("hex");
      if (operation.type === "put") this.records.set(key, operation.value);
      else this.records.delete(key);
    }
  }

  #vote(): ReturnType<typeof newerVote> {
    const [a, b] = this.votes;
    return newerVote(decodeVote(a, this.incarnation), decodeVote(b, this.incarnation));
  }

  #mark(): ReturnType<typeof laterMark> {
    const [a, b] = this.marks;
    return laterMark(decodeMark(a, this.incarnation), decodeMark(b, this.incarnation));
  }
}

/** One start of a node on a `MemoryDisk`. */
export class MemoryLog {
  readonly #disk: MemoryDisk;
  readonly #planner: PersistPlanner;
  readonly #isCurrent: () => boolean;

  constructor(disk: MemoryDisk, planner: PersistPlanner, isCurrent: () => boolean) {
    this.#disk = disk;
    this.#planner = planner;
    this.#isCurrent = isCurrent;
  }

  /**
   * Carries out a request. With `until`, only up to that step: the node is crashing, and must not
   * call again.
   */
  persist(request: PersistRequest, until: PersistStep = "markRaised"): void {
    assert(this.#isCurrent(), "an earlier start of this node writes");
    const steps = STEPS.indexOf(until);
    const reaches = (step: PersistStep): boolean => STEPS.indexOf(step) <= steps;
    const { hardState, lowerMark, operations, last } = this.#planner.plan(request);
    if (hardState !== null && reaches("voteA")) {
      this.#disk.writeVotes(hardState, reaches("voteB") ? "voteB" : "voteA");
    }
    if (lowerMark !== null && reaches("markLowered")) {
      this.#disk.writeMark(lowerMark);
      this.#disk.syncMark();
    }
    if (reaches("batch")) this.#disk.writeBatch(operations);
    if (last !== null && reaches("markRaised")) this.#disk.writeMark(last);
  }

  /** What the timer of a real node does every `MARK_SYNC_MS`. */
  syncMark(): void {
    assert(this.#isCurrent(), "an earlier start of this node writes");
    this.#disk.syncMark();
  }
}

/** The contract of `Storage` on a `MemoryDisk`: for `--ephemeral` nodes and for tests. */
export class MemoryStorage implements Storage {
  readonly #log: MemoryLog;
  #isOut = false;
  #isClosed = false;

  private constructor(log: MemoryLog) {
    this.#log = log;
  }

  /** @throws StorageError DAMAGED */
  static open(disk: MemoryDisk): { readonly loaded: LoadedLog; readonly storage: Storage } {
    const { loaded, log } = disk.open();
    return { loaded, storage: new MemoryStorage(log) };
  }

  async persist(request: PersistRequest): Promise<void> {
    assert(!this.#isClosed, "persist after close");
    assert(!this.#isOut, "one persist at a time");
    this.#isOut = true;
    await Promise.resolve();
    this.#log.persist(request);
    this.#isOut = false;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#log.syncMark();
  }
}
