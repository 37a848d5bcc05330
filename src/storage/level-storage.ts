import { SWEEP_IDLE_MS } from "../limits.ts";
import type { HardState, LogIndex, PersistRequest, SnapshotId } from "../raft/types.ts";
import { AssertionError, assert, unreachable } from "../util/assert.ts";
import { boot } from "./boot.ts";
import { CutShort } from "./cut-short.ts";
import { damaged, describeDamage, LogDamaged } from "./damage.ts";
import { asStorageError } from "./disk-errors.ts";
import type { KeyValueStore } from "./key-value-store.ts";
import { decodeEntry, entryKey, type LogPosition } from "./layout.ts";
import { MarkFile, type MarkTimers } from "./mark-file.ts";
import type { Marked } from "./mark-slots.ts";
import { PersistPlanner, type PersistStep } from "./persist-plan.ts";
import type { Verdict } from "./recovery.ts";
import { chunkKey, chunkRange, decodeChunk } from "./snapshot-layout.ts";
import { SnapshotVerifier } from "./snapshot-verifier.ts";
import type { LoadedLog, Storage, StoredChunk } from "./storage.ts";
import { VoteFile } from "./vote-file.ts";

export interface StorageOptions {
  /** Cuts the reading short: it rejects with the reason. */
  readonly signal?: AbortSignal;
  /** Delays; those of the process unless given. */
  readonly timers?: MarkTimers;
  /** After each persist: how long it took, and the bytes it wrote. For metrics. */
  readonly onPersist?: (durationMs: number, bytes: number) => void;
  /**
   * The first failure, also of what is written in the background: a StorageError, or an
   * AssertionError. The node must end without acknowledging anything more.
   */
  readonly onFailure?: (error: Error) => void;
}

export interface StoragePlace {
  /** The data directory. */
  readonly directory: string;
  readonly markPath: string;
  readonly incarnation: string;
  readonly store: KeyValueStore;
}

export interface OpenedStorage {
  readonly loaded: LoadedLog;
  readonly storage: Storage;
  /** What was mended at this start; for the log of the node. */
  readonly repairs: readonly string[];
}

/**
 * Reads and verifies the log of a directory that was made before, and makes all that was read
 * durable, so that a node may vouch for what it has loaded.
 *
 * Why the last is needed: n2 is killed between the write and the sync of an append. At its next
 * start the entry is read from the page cache; n2 would acknowledge it to the leader without
 * another write, and lose it in a power cut.
 *
 * @throws LogDamaged when the log is not what was written; StorageError DAMAGED when neither copy of
 *   the vote can be read, DISK when it cannot be read; the reason of `signal`.
 */
export async function openStorage(
  place: StoragePlace,
  options: StorageOptions = {},
): Promise<OpenedStorage> {
  const { directory, markPath, incarnation, store } = place;
  const mark = await MarkFile.read(markPath, incarnation);
  const votes = await VoteFile.open(directory, incarnation, mark);
  try {
    const { signal } = options;
    const read = signal === undefined ? store : new CutShort(store, signal);
    const verdict = await readLog(read, votes.hardState, mark?.position ?? null);
    if (verdict.type === "damaged") {
      throw new LogDamaged(directory, verdict.damage);
    }
    const planner = new PersistPlanner(verdict);
    const storage = await LevelStorage.start(place, options, votes, planner);
    const repairs = votes.repaired === null ? [] : [`${votes.repaired} was unreadable, rewritten`];
    return { loaded: verdict.loaded, storage, repairs };
  } catch (error) {
    await votes.close();
    options.signal?.throwIfAborted();
    throw asStorageError(error, `${directory} cannot be read`);
  }
}

/** Whether the log is what was written. Changes nothing. */
export async function readLog(
  store: KeyValueStore,
  hardState: HardState,
  mark: LogPosition | null,
): Promise<Verdict> {
  const questions = boot(hardState, mark);
  let step = questions.next();
  while (step.done !== true) {
    const question = step.value;
    let answer: Uint8Array | null = null;
    switch (question.type) {
      case "get":
        answer = await store.get(question.key);
        break;
      case "edge":
        answer = await store.edge(question.range, question.end);
        break;
      case "walk":
        for await (const [key, value] of store.iterate(question.range)) question.take(key, value);
        break;
      default:
        unreachable(question);
    }
    step = questions.next(answer);
  }
  return step.value;
}

class LevelStorage implements Storage {
  readonly #place: StoragePlace;
  readonly #votes: VoteFile;
  readonly #mark: MarkFile;
  readonly #planner: PersistPlanner;
  readonly #options: StorageOptions;
  readonly #timers: MarkTimers;
  #out: Promise<void> | null = null;
  /** A batch of deletions for which nobody waits but the next persist. Never rejects. */
  #sweeping: Promise<void> | null = null;
  #sweepTimer: { cancel(): void } | null = null;
  /** One compaction after the other. Never rejects. */
  #compacting: Promise<void> = Promise.resolve();
  /** The first one is final. */
  #failure: Error | null = null;
  #isClosed = false;

  private constructor(
    place: StoragePlace,
    votes: VoteFile,
    mark: MarkFile,
    planner: PersistPlanner,
    options: StorageOptions,
  ) {
    this.#place = place;
    this.#votes = votes;
    this.#mark = mark;
    this.#planner = planner;
    this.#options = options;
    this.#timers = options.timers ?? processTimers;
  }

  static async start(
    place: StoragePlace,
    options: StorageOptions,
    votes: VoteFile,
    planner: PersistPlanner,
  ): Promise<LevelStorage> {
    let storage: LevelStorage | null = null;
    const onFailure = (error: unknown): void => {
      if (storage !== null) storage.#fail(error);
    };
    const timers = options.timers ?? processTimers;
    const mark = await MarkFile.open(place.markPath, place.incarnation, timers, onFailure);
    storage = new LevelStorage(place, votes, mark, planner, options);
    try {
      await storage.#carryOut(planner.startSteps(place.incarnation));
    } catch (error) {
      await mark.close();
      throw error;
    }
    storage.#sweepLater();
    return storage;
  }

  async persist(request: PersistRequest): Promise<void> {
    if (this.#failure !== null) throw this.#failure;
    assert(!this.#isClosed, "persist after close");
    assert(this.#out === null, "one persist at a time");
    this.#out = this.#persist(request);
    try {
      await this.#out;
    } finally {
      this.#out = null;
      this.#sweepLater();
    }
  }

  async readChunk(id: SnapshotId, chunk: number): Promise<StoredChunk | null> {
    assert(!this.#isClosed, "read after close");
    const complete = this.#planner.findSnapshot(id);
    if (complete === null) return null;
    const { chain, snapshot } = complete;
    assert(chunk < snapshot.chunks, () => `chunk ${chunk} of ${snapshot.chunks} is read`);
    const key = chunkKey(id, chunk);
    const value = await this.#reading(() => this.#place.store.get(key));
    // Dropped while it was read, and then it may have been deleted as well.
    if (this.#planner.findSnapshot(id) === null) return null;
    const data = value === null ? null : decodeChunk(key, value);
    if (data !== null) return { data, chain };
    const { index, nonce } = id;
    const what = value === null ? "chunkMissing" : "chunkChecksum";
    throw this.#damaged(describeDamage({ what, id: { index, nonce }, chunk }));
  }

  async *chunks(): AsyncIterable<Uint8Array> {
    const pointer = this.#planner.pointer;
    if (pointer === null) return;
    const verifier = new SnapshotVerifier(pointer.snapshot);
    const range = chunkRange(pointer.snapshot, pointer.snapshot.chunks);
    try {
      for await (const [key, value] of this.#place.store.iterate(range)) {
        const data = verifier.take(key, value);
        if (data === null) break;
        yield data;
      }
    } catch (error) {
      throw asStorageError(error, `${this.#place.directory} cannot be read`);
    }
    const damage = verifier.finish();
    if (damage !== null) throw this.#damaged(describeDamage(damage));
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#sweepTimer?.cancel();
    if (this.#out !== null) await this.#out.catch(() => {});
    await this.#sweeping;
    await this.#compacting;
    try {
      await this.#mark.close();
    } catch (error) {
      throw this.#fail(error);
    } finally {
      await this.#votes.close();
      await this.#place.store.close();
    }
  }

  async #persist(request: PersistRequest): Promise<void> {
    const startedMs = performance.now();
    try {
      this.#sweepTimer?.cancel();
      this.#sweepTimer = null;
      if (this.#sweeping !== null) await this.#sweeping;
      if (this.#failure !== null) throw this.#failure;
      const missing = this.#planner.missingPosition(request);
      const found = missing === null ? null : await this.#positionOnDisk(missing);
      const plan = this.#planner.plan(request, found);
      await this.#carryOut(plan);
      // The mark failed in the background meanwhile: nothing is acknowledged any more.
      if (this.#failure !== null) throw this.#failure;
      this.#options.onPersist?.(performance.now() - startedMs, bytesOf(plan));
    } catch (error) {
      throw this.#fail(error);
    }
  }

  async #carryOut(steps: readonly PersistStep[]): Promise<void> {
    for (const step of steps) {
      switch (step.type) {
        case "vote":
          await this.#votes.write(step.hardState);
          break;
        case "mark":
          await this.#mark.set(this.#marked(step));
          break;
        case "batch":
          await this.#place.store.batch(step.operations);
          this.#compact();
          break;
        case "raiseMark":
          this.#mark.raise(this.#marked(step));
          break;
        default:
          unreachable(step);
      }
    }
  }

  #marked({ position }: { readonly position: LogPosition }): Marked {
    return { position, votes: this.#votes.writes };
  }

  /** Of an entry that was written before, and is older than what is kept in memory. */
  async #positionOnDisk(index: LogIndex): Promise<LogPosition> {
    const key = entryKey(index);
    const value = await this.#place.store.get(key);
    const decoded = value === null ? null : decodeEntry(key, value);
    if (decoded !== null) return decoded.position;
    throw this.#damaged(describeDamage({ what: "checksum", index }));
  }

  /** As long as nobody writes. What writes takes a slice with it. */
  #sweepLater(): void {
    if (this.#isClosed || this.#failure !== null || this.#sweepTimer !== null) return;
    if (!this.#planner.hasLeftovers) return;
    this.#sweepTimer = this.#timers.after(SWEEP_IDLE_MS, () => {
      this.#sweepTimer = null;
      if (this.#out === null && this.#sweeping === null) this.#sweeping = this.#sweep();
    });
  }

  async #sweep(): Promise<void> {
    try {
      await this.#place.store.batch(this.#planner.sweep());
      this.#compact();
    } catch (error) {
      this.#fail(error);
    }
    this.#sweeping = null;
    this.#sweepLater();
  }

  /** Deletions alone free no room: three dropped snapshots of 200 MB were all still on disk. */
  #compact(): void {
    for (const range of this.#planner.takeSwept()) {
      this.#compacting = this.#compacting.then(async () => {
        if (this.#isClosed || this.#failure !== null) return;
        await this.#place.store.compact(range).catch((error: unknown) => this.#fail(error));
      });
    }
  }

  async #reading<Result>(read: () => Promise<Result>): Promise<Result> {
    try {
      return await read();
    } catch (error) {
      throw asStorageError(error, `${this.#place.directory} cannot be read`);
    }
  }

  #damaged(what: string): Error {
    const { directory } = this.#place;
    return damaged(directory, `${directory}: ${what}`);
  }

  #fail(error: unknown): Error {
    if (this.#failure !== null) return this.#failure;
    const isBug = error instanceof AssertionError;
    this.#failure = isBug ? error : asStorageError(error, "a write to the data directory failed");
    this.#options.onFailure?.(this.#failure);
    return this.#failure;
  }
}

const processTimers: MarkTimers = {
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};

function bytesOf(steps: readonly PersistStep[]): number {
  let bytes = 0;
  for (const step of steps) {
    if (step.type !== "batch") continue;
    for (const operation of step.operations) {
      if (operation.type === "put") bytes += operation.value.length;
    }
  }
  return bytes;
}
