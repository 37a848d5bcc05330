import type { LogEnd, LogIndex, PersistRequest, SnapshotId } from "../raft/types.ts";
import { assert, unreachable } from "../util/assert.ts";
import { boot } from "./boot.ts";
import { damaged, describeDamage } from "./damage.ts";
import type { KeyRange, KeyValueOperation } from "./key-value-store.ts";
import { decodeEntry, entryKey, LOG_START, type LogPosition } from "./layout.ts";
import { decodeMark, encodeMark, laterMark } from "./mark-record.ts";
import { PersistPlanner } from "./persist-plan.ts";
import { type IntactLog, type Verdict, vouchedEnd } from "./recovery.ts";
import { chunkKey, chunkRange, decodeChunk } from "./snapshot-layout.ts";
import { SnapshotVerifier } from "./snapshot-verifier.ts";
import type { LoadedLog, Storage, StoredChunk } from "./storage.ts";
import { decodeVote, encodeVote, firstVote, newerVote } from "./vote-record.ts";

/** The steps of a persist, in order; a crash falls behind one of them. */
export type PersistStep =
  | "begun"
  | "voteA"
  | "voteB"
  | "markLowered"
  | "batch"
  | "markRaised"
  | "markSynced";

/** In order. */
export const STEPS: readonly PersistStep[] = [
  "begun",
  "voteA",
  "voteB",
  "markLowered",
  "batch",
  "markRaised",
  "markSynced",
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
  /** Of a member that returns without its log; else null. */
  lostEnd: LogEnd | null = null;
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
    const { term, vote } = hardState;
    const questions = boot({ term, vote }, this.#mark()?.position ?? null);
    let step = questions.next();
    while (step.done !== true) {
      const question = step.value;
      let answer: Uint8Array | null = null;
      switch (question.type) {
        case "get":
          answer = this.get(question.key);
          break;
        case "edge": {
          const records = this.recordsIn(question.range);
          answer = (question.end === "first" ? records[0] : records.at(-1))?.[0] ?? null;
          break;
        }
        case "walk":
          for (const [key, value] of this.recordsIn(question.range)) question.take(key, value);
          break;
        default:
          unreachable(question);
      }
      step = questions.next(answer);
    }
    return step.value;
  }

  get(key: Uint8Array): Uint8Array | null {
    return this.records.get(hexOf(key)) ?? null;
  }

  /** In the order of their keys. */
  recordsIn(range: KeyRange): (readonly [key: Uint8Array, value: Uint8Array])[] {
    const [from, to] = [hexOf(range.from), hexOf(range.to)];
    return [...this.records]
      .filter(([key]) => key >= from && key < to)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]) => [Buffer.from(key, "hex"), value] as const);
  }

  /**
   * A start of the node. An earlier one of the same disk must not write any more.
   *
   * @throws StorageError DAMAGED
   */
  open(): { readonly loaded: LoadedLog; readonly log: MemoryLog } {
    const verdict = this.#readIntact();
    const { loaded } = verdict;
    this.#start += 1;
    const start = this.#start;
    const planner = new PersistPlanner(verdict);
    this.writeVotes({ ...loaded.hardState }, "voteB");
    this.writeMark(planner.last);
    this.syncMark();
    const log = new MemoryLog(this, planner, () => this.#start === start);
    return { loaded, log };
  }

  /**
   * As the start of a node whose directory was set aside: log and snapshot go, term and vote stay.
   *
   * @throws StorageError DAMAGED
   */
  setAside(): void {
    this.lostEnd = vouchedEnd(this.#readIntact(), this.lostEnd);
    this.#start += 1;
    this.records.clear();
    this.marks[0] = encodeMark({ position: LOG_START, write: 0, incarnation: this.incarnation });
    this.marks[1] = this.marks[0];
  }

  #readIntact(): IntactLog {
    const verdict = this.read();
    if (verdict === null) throw damaged("memory", "neither vote can be read");
    if (verdict.type === "damaged") throw damaged("memory", describeDamage(verdict.damage));
    return verdict;
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
      const key = hexOf(operation.key);
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
  persist(request: PersistRequest, until: PersistStep = "markSynced"): void {
    assert(this.#isCurrent(), "an earlier start of this node writes");
    const steps = STEPS.indexOf(until);
    const reaches = (step: PersistStep): boolean => STEPS.indexOf(step) <= steps;
    const missing = this.#planner.missingPosition(request);
    const found = missing === null ? null : this.#positionOnDisk(missing);
    const { hardState, lowerMark, operations, last, isMarkSynced } = this.#planner.plan(
      request,
      found,
    );
    if (hardState !== null && reaches("voteA")) {
      this.#disk.writeVotes(hardState, reaches("voteB") ? "voteB" : "voteA");
    }
    if (lowerMark !== null && reaches("markLowered")) {
      this.#disk.writeMark(lowerMark);
      this.#disk.syncMark();
    }
    if (reaches("batch")) this.#disk.writeBatch(operations);
    if (last !== null && reaches("markRaised")) this.#disk.writeMark(last);
    if (isMarkSynced && reaches("markSynced")) this.#disk.syncMark();
  }

  /** The current snapshot's or a former one's; null once that was dropped. */
  readChunk(id: SnapshotId, chunk: number): StoredChunk | null {
    const complete = this.#planner.findSnapshot(id);
    if (complete === null) return null;
    const { chain, snapshot } = complete;
    assert(chunk < snapshot.chunks, () => `chunk ${chunk} of ${snapshot.chunks} is read`);
    const key = chunkKey(id, chunk);
    const value = this.#disk.get(key);
    const data = value === null ? null : decodeChunk(key, value);
    if (data !== null) return { data, chain };
    const { index, nonce } = id;
    const what = value === null ? "chunkMissing" : "chunkChecksum";
    throw damaged("memory", describeDamage({ what, id: { index, nonce }, chunk }));
  }

  /** Of the current snapshot. */
  *chunks(): Iterable<Uint8Array> {
    const pointer = this.#planner.pointer;
    if (pointer === null) return;
    const verifier = new SnapshotVerifier(pointer.snapshot);
    for (const [key, value] of this.#disk.recordsIn(
      chunkRange(pointer.snapshot, pointer.snapshot.chunks),
    )) {
      const data = verifier.take(key, value);
      if (data === null) break;
      yield data;
    }
    const damage = verifier.finish();
    if (damage !== null) throw damaged("memory", describeDamage(damage));
  }

  get hasLeftovers(): boolean {
    return this.#planner.hasLeftovers;
  }

  /** Deletes a slice of what is left over, as a real node does when nobody writes. */
  sweep(): void {
    assert(this.#isCurrent(), "an earlier start of this node writes");
    this.#disk.writeBatch(this.#planner.sweep());
  }

  #positionOnDisk(index: LogIndex): LogPosition {
    const key = entryKey(index);
    const value = this.#disk.get(key);
    const decoded = value === null ? null : decodeEntry(key, value);
    if (decoded !== null) return decoded.position;
    throw damaged("memory", describeDamage({ what: "checksum", index }));
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

  async readChunk(id: SnapshotId, chunk: number): Promise<StoredChunk | null> {
    assert(!this.#isClosed, "read after close");
    await Promise.resolve();
    return this.#log.readChunk(id, chunk);
  }

  async *chunks(): AsyncIterable<Uint8Array> {
    yield* this.#log.chunks();
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#log.syncMark();
  }
}

function hexOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.length).toString("hex");
}
