import type { LogEnd, LogIndex, PersistRequest, SnapshotId } from "../raft/types.ts";
import { assert, must, unreachable } from "../util/assert.ts";
import { boot, type Question } from "./boot.ts";
import { damaged, describeDamage } from "./damage.ts";
import type { BlockFile, FileStep } from "./file-step.ts";
import {
  decodeGeneration,
  encodeGeneration,
  FIRST_GENERATION,
  type Generation,
} from "./generation.ts";
import type { KeyRange, KeyValueOperation } from "./key-value-store.ts";
import { decodeEntry, entryKey, LOG_START, type LogPosition } from "./layout.ts";
import { encodeMark } from "./mark-record.ts";
import { type Marked, MarkSlots } from "./mark-slots.ts";
import { PersistPlanner, type PersistStep } from "./persist-plan.ts";
import { type IntactLog, type Verdict, vouchedEnd } from "./recovery.ts";
import { chunkKey, chunkRange, decodeChunk } from "./snapshot-layout.ts";
import { SnapshotVerifier } from "./snapshot-verifier.ts";
import type { LoadedLog, Storage, StoredChunk } from "./storage.ts";
import { isVoteBehind, VoteCopies } from "./vote-copies.ts";
import { encodeVote, firstVote } from "./vote-record.ts";

/** What reaches a disk, one after the other; a batch is synced when it is done. */
export type DiskStep =
  | FileStep
  | { readonly type: "batch"; readonly operations: readonly KeyValueOperation[] };

export interface Opened {
  readonly loaded: LoadedLog;
  readonly log: MemoryLog;
  /** Of a member that returns without its log; else null. */
  readonly lostEnd: LogEnd | null;
}

/** Of a log that was read and found whole. */
interface Verified {
  readonly log: IntactLog;
  readonly votes: VoteCopies;
  readonly mark: MarkSlots;
}

/**
 * The disk of a member that lives in memory, in the same bytes as a data directory: it survives
 * the crashes of its node, and keeps exactly what had been written. Everything is synchronous, so
 * that the simulator decides when a write completes. Its fields are open to disk faults.
 */
export class MemoryDisk {
  /** By key as hex digits, which sort as the bytes do. */
  readonly records = new Map<string, Uint8Array>();
  /** The blocks of each file. */
  readonly files: Readonly<Record<BlockFile, Uint8Array[]>>;
  readonly incarnation: string;
  /** The file of that name, which is replaced as a whole. */
  generation: Uint8Array;
  #start = 0;

  constructor(incarnation: string) {
    const vote = encodeVote(firstVote(incarnation));
    this.incarnation = incarnation;
    this.files = { "vote-a": [vote], "vote-b": [vote], mark: firstMarks(incarnation) };
    this.generation = encodeGeneration(FIRST_GENERATION, incarnation);
  }

  /** Of a member that returns without its log; else null. */
  get lostEnd(): LogEnd | null {
    return this.#readGeneration().returning?.lostEnd ?? null;
  }

  /** The member has again what it had. */
  returned(): void {
    const { number } = this.#readGeneration();
    this.generation = encodeGeneration({ number, returning: null }, this.incarnation);
  }

  /** What a start of the node would find. Null when neither vote can be read. */
  read(): Verdict | null {
    const votes = this.#readVotes();
    return votes === null ? null : this.#judge(votes, this.#readMark());
  }

  apply(step: DiskStep): void {
    switch (step.type) {
      case "write":
        this.files[step.file][step.block] = step.content;
        break;
      case "sync":
        break;
      case "batch":
        for (const operation of step.operations) {
          const key = hexOf(operation.key);
          if (operation.type === "put") this.records.set(key, operation.value);
          else this.records.delete(key);
        }
        break;
      default:
        unreachable(step);
    }
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
  open(): Opened {
    return this.#carryOut(this.start());
  }

  /**
   * As the start of a node whose directory was set aside, up to where its next log begins: log and
   * snapshot go, term and vote stay.
   *
   * @throws StorageError DAMAGED
   */
  setAside(): void {
    this.#carryOut(this.beginReturn());
  }

  #carryOut<Result>(steps: Generator<DiskStep, Result, void>): Result {
    for (;;) {
      const step = steps.next();
      if (step.done === true) return step.value;
      this.apply(step.value);
    }
  }

  /** The steps of `open`, each of which the caller applies before it asks for the next. */
  *start(): Generator<DiskStep, Opened, void> {
    const { log: intact, votes, mark } = yield* this.#verify();
    this.#start += 1;
    const start = this.#start;
    const planner = new PersistPlanner(intact);
    const isCurrent = (): boolean => this.#start === start;
    const log = new MemoryLog(this, planner, votes, mark, isCurrent);
    yield* log.expand(planner.startSteps(this.incarnation));
    return { loaded: intact.loaded, log, lostEnd: this.lostEnd };
  }

  /**
   * The steps of `setAside`. What follows them is there as a whole or not at all: a new database and
   * mark count with the file that names them. Returns what is set aside.
   */
  *beginReturn(): Generator<DiskStep, LoadedLog, void> {
    const { log } = yield* this.#verify();
    this.#start += 1;
    const { number, returning } = this.#readGeneration();
    const lostEnd = vouchedEnd(log, returning?.lostEnd ?? null);
    const next: Generation = { number: number + 1, returning: { lostEnd, members: [] } };
    this.generation = encodeGeneration(next, this.incarnation);
    this.records.clear();
    this.files.mark.splice(0, 2, ...firstMarks(this.incarnation));
    return log.loaded;
  }

  *#verify(): Generator<DiskStep, Verified, void> {
    const votes = this.#readVotes();
    if (votes === null) throw damaged("memory", "neither vote can be read");
    const mark = this.#readMark();
    if (isVoteBehind(votes, mark)) throw damaged("memory", "the mark knows of a later vote");
    yield* votes.rewrite();
    const log = this.#judge(votes, mark);
    if (log.type === "damaged") throw damaged("memory", describeDamage(log.damage));
    return { log, votes, mark: must(mark) };
  }

  #readGeneration(): Generation {
    return must(decodeGeneration(this.generation)).generation;
  }

  #readVotes(): VoteCopies | null {
    const [a, b] = [this.files["vote-a"][0], this.files["vote-b"][0]];
    return VoteCopies.read(a ?? null, b ?? null, this.incarnation);
  }

  #readMark(): MarkSlots | null {
    const [a, b] = this.files.mark;
    return MarkSlots.read(a ?? null, b ?? null, this.incarnation);
  }

  #judge({ hardState }: VoteCopies, mark: MarkSlots | null): Verdict {
    const questions = boot(hardState, mark?.position ?? null);
    let step = questions.next();
    while (step.done !== true) step = questions.next(this.#answer(step.value));
    return step.value;
  }

  #answer(question: Question): Uint8Array | null {
    switch (question.type) {
      case "get":
        return this.get(question.key);
      case "edge": {
        const records = this.recordsIn(question.range);
        return (question.end === "first" ? records[0] : records.at(-1))?.[0] ?? null;
      }
      case "walk":
        for (const [key, value] of this.recordsIn(question.range)) question.take(key, value);
        return null;
      default:
        return unreachable(question);
    }
  }
}

/** One start of a node on a `MemoryDisk`. */
export class MemoryLog {
  readonly #disk: MemoryDisk;
  readonly #planner: PersistPlanner;
  readonly #isCurrent: () => boolean;
  readonly votes: VoteCopies;
  readonly mark: MarkSlots;

  constructor(
    disk: MemoryDisk,
    planner: PersistPlanner,
    votes: VoteCopies,
    mark: MarkSlots,
    isCurrent: () => boolean,
  ) {
    this.#disk = disk;
    this.#planner = planner;
    this.votes = votes;
    this.mark = mark;
    this.#isCurrent = isCurrent;
  }

  /**
   * Carries out a request, or the first `stepsMax` steps of it: then the node is crashing, and must
   * not call again. Returns what was done.
   */
  persist(request: PersistRequest, stepsMax = Number.POSITIVE_INFINITY): readonly DiskStep[] {
    const done: DiskStep[] = [];
    for (const step of this.expand(this.plan(request))) {
      if (done.length === stepsMax) break;
      this.#disk.apply(step);
      done.push(step);
    }
    return done;
  }

  plan(request: PersistRequest): readonly PersistStep[] {
    assert(this.#isCurrent(), "an earlier start of this node writes");
    const missing = this.#planner.missingPosition(request);
    const found = missing === null ? null : this.#positionOnDisk(missing);
    return this.#planner.plan(request, found);
  }

  /** In what each part comes down to. Each is to be applied before the next one is asked for. */
  *expand(steps: readonly PersistStep[]): Generator<DiskStep, void, void> {
    for (const step of steps) {
      switch (step.type) {
        case "vote":
          yield* this.votes.write(step.hardState);
          break;
        case "mark":
          yield* this.mark.set(this.marked(step));
          break;
        case "batch":
          yield step;
          break;
        case "raiseMark":
          this.mark.raise(this.marked(step));
          break;
        default:
          unreachable(step);
      }
    }
  }

  /** By now. */
  marked({ position }: { readonly position: LogPosition }): Marked {
    return { position, votes: this.votes.writes };
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
    this.#disk.apply(this.sweepStep());
  }

  sweepStep(): DiskStep {
    assert(this.#isCurrent(), "an earlier start of this node writes");
    return { type: "batch", operations: this.#planner.sweep() };
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
    for (const step of this.mark.writeWanted()) this.#disk.apply(step);
  }
}

/** The contract of `Storage` on a `MemoryDisk`. */
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

function firstMarks(incarnation: string): [Uint8Array, Uint8Array] {
  const mark = encodeMark({ position: LOG_START, votes: 0, write: 0, incarnation });
  return [mark, mark];
}

function hexOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.length).toString("hex");
}
