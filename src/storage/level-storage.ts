import { dirname, join } from "node:path";
import { Level } from "level";
import type { PersistRequest } from "../raft/types.ts";
import { AssertionError, assert } from "../util/assert.ts";
import { asStorageError, causeCode, damaged, messageOf, openingError } from "./disk-errors.ts";
import { isThere, syncDirectory } from "./durable-file.ts";
import type { KeyRange, KeyValueOperation, KeyValueStore } from "./key-value-store.ts";
import {
  DIRECTORY_FILES,
  ENTRY_KEYS,
  encodeFormat,
  FORMAT_KEY,
  FORMAT_VERSION,
  LOG_START,
} from "./layout.ts";
import { MarkFile, type MarkTimers } from "./mark-file.ts";
import { type PersistPlan, PersistPlanner } from "./persist-plan.ts";
import { describeDamage, LogVerifier } from "./recovery.ts";
import type { LoadedLog, Storage } from "./storage.ts";
import { VoteFile } from "./vote-file.ts";

/** Read at a time at a start; LevelDB's own default of 16 KiB would be a call an entry. */
const READ_BYTES = 4 * 1024 * 1024;
const READ_RECORDS = 1024;

/**
 * A LevelDB. `create` makes a new one and refuses to touch an old one; without it nothing is ever
 * made, since LevelDB takes a directory without a CURRENT file for empty and deletes its tables.
 * Its LOCK file keeps every other process out as long as it is open.
 */
export async function openLevelStore(
  path: string,
  options: { readonly create: boolean },
): Promise<KeyValueStore> {
  // Even a LevelDB that must not create anything makes its directory.
  if (!options.create && !(await isThere(path))) {
    throw damaged(dirname(path), `${path} is missing`);
  }
  const level = new Level<Buffer, Buffer>(path, {
    keyEncoding: "buffer",
    valueEncoding: "buffer",
    createIfMissing: options.create,
    errorIfExists: options.create,
  });
  try {
    await level.open();
    // LevelDB renames CURRENT at every opening, and leaves it to chance when that is on disk.
    await syncDirectory(path);
  } catch (error) {
    throw openingError(path, error);
  }
  return new LevelStore(path, level);
}

class LevelStore implements KeyValueStore {
  readonly #path: string;
  readonly #level: Level<Buffer, Buffer>;

  constructor(path: string, level: Level<Buffer, Buffer>) {
    this.#path = path;
    this.#level = level;
  }

  async batch(operations: readonly KeyValueOperation[]): Promise<void> {
    await this.#level.batch(
      operations.map((operation) =>
        operation.type === "put"
          ? { type: "put", key: asBuffer(operation.key), value: asBuffer(operation.value) }
          : { type: "del", key: asBuffer(operation.key) },
      ),
      { sync: true },
    );
  }

  async get(key: Uint8Array): Promise<Uint8Array | null> {
    return (await this.#level.get(asBuffer(key))) ?? null;
  }

  async *iterate(range: KeyRange): AsyncIterable<readonly [Uint8Array, Uint8Array]> {
    const iterator = this.#level.iterator({
      gte: asBuffer(range.from),
      lt: asBuffer(range.to),
      highWaterMarkBytes: READ_BYTES,
      fillCache: false,
    });
    try {
      for (;;) {
        const records = await iterator.nextv(READ_RECORDS);
        if (records.length === 0) return;
        yield* records;
      }
    } catch (error) {
      if (causeCode(error) !== "LEVEL_CORRUPTION") throw error;
      throw damaged(dirname(this.#path), `${this.#path}: ${messageOf(error)}`, error);
    } finally {
      await iterator.close();
    }
  }

  async close(): Promise<void> {
    await this.#level.close();
  }
}

export interface StorageOptions {
  /** Delays; those of the process unless given. */
  readonly timers?: MarkTimers;
  /** After each persist: how long it took, and the bytes of its entries. For metrics. */
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
 * @throws StorageError DAMAGED when the log is not what was written, DISK when it cannot be read.
 */
export async function openStorage(
  place: StoragePlace,
  options: StorageOptions = {},
): Promise<OpenedStorage> {
  const { directory, incarnation, store } = place;
  const votes = await VoteFile.open(directory, incarnation);
  try {
    const markPath = join(directory, DIRECTORY_FILES.mark);
    const mark = await MarkFile.read(markPath, incarnation);
    const verifier = new LogVerifier(LOG_START);
    for await (const [key, value] of store.iterate(ENTRY_KEYS)) verifier.take(key, value);
    const verdict = verifier.finish(votes.hardState, mark?.position ?? null);
    if (verdict.type === "damaged") {
      throw damaged(directory, `${directory}: ${describeDamage(verdict.damage)}`);
    }
    await store.batch([formatOperation(incarnation)]);

    const { loaded, positions } = verdict;
    const planner = new PersistPlanner(votes.hardState, positions, loaded.commitIndex);
    const storage = await LevelStorage.start(place, options, votes, planner);
    const repairs = votes.repaired === null ? [] : [`${votes.repaired} was unreadable, rewritten`];
    return { loaded, storage, repairs };
  } catch (error) {
    await votes.close();
    throw asStorageError(error, `${directory} cannot be read`);
  }
}

/** The first record of a database, and the synced write of every start. */
export function formatOperation(incarnation: string): KeyValueOperation {
  const value = encodeFormat({ formatVersion: FORMAT_VERSION, incarnation });
  return { type: "put", key: FORMAT_KEY, value };
}

class LevelStorage implements Storage {
  readonly #store: KeyValueStore;
  readonly #votes: VoteFile;
  readonly #mark: MarkFile;
  readonly #planner: PersistPlanner;
  readonly #options: StorageOptions;
  #out: Promise<void> | null = null;
  /** The first one is final. */
  #failure: Error | null = null;
  #isClosed = false;

  private constructor(
    store: KeyValueStore,
    votes: VoteFile,
    mark: MarkFile,
    planner: PersistPlanner,
    options: StorageOptions,
  ) {
    this.#store = store;
    this.#votes = votes;
    this.#mark = mark;
    this.#planner = planner;
    this.#options = options;
  }

  static async start(
    place: StoragePlace,
    options: StorageOptions,
    votes: VoteFile,
    planner: PersistPlanner,
  ): Promise<LevelStorage> {
    const path = join(place.directory, DIRECTORY_FILES.mark);
    let storage: LevelStorage | null = null;
    const onFailure = (error: unknown): void => {
      if (storage !== null) storage.#fail(error);
    };
    const timers = options.timers ?? processTimers;
    const mark = await MarkFile.open(path, place.incarnation, timers, onFailure);
    try {
      await mark.set(planner.last);
    } catch (error) {
      await mark.close();
      throw error;
    }
    storage = new LevelStorage(place.store, votes, mark, planner, options);
    return storage;
  }

  async persist(request: PersistRequest): Promise<void> {
    if (this.#failure !== null) throw this.#failure;
    assert(!this.#isClosed, "persist after close");
    assert(this.#out === null, "one persist at a time");
    this.#out = this.#carryOut(request);
    try {
      await this.#out;
    } finally {
      this.#out = null;
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#out !== null) await this.#out.catch(() => {});
    try {
      await this.#mark.close();
    } catch (error) {
      throw this.#fail(error);
    } finally {
      await this.#votes.close();
      await this.#store.close();
    }
  }

  async #carryOut(request: PersistRequest): Promise<void> {
    const startedMs = performance.now();
    try {
      const plan = this.#planner.plan(request);
      if (plan.hardState !== null) await this.#votes.write(plan.hardState);
      if (plan.lowerMark !== null) await this.#mark.set(plan.lowerMark);
      if (plan.operations.length > 0) await this.#store.batch(plan.operations);
      // The mark failed in the background meanwhile: nothing is acknowledged any more.
      if (this.#failure !== null) throw this.#failure;
      if (plan.last !== null) this.#mark.raise(plan.last);
      this.#options.onPersist?.(performance.now() - startedMs, bytesOf(plan));
    } catch (error) {
      throw this.#fail(error);
    }
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

function bytesOf(plan: PersistPlan): number {
  let bytes = 0;
  for (const operation of plan.operations) {
    if (operation.type === "put") bytes += operation.value.length;
  }
  return bytes;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
