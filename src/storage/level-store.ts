import { dirname } from "node:path";
import { Level } from "level";
import { damaged } from "./damage.ts";
import { causeCode, messageOf, openingError } from "./disk-errors.ts";
import { isThere, syncDirectory } from "./durable-file.ts";
import type { KeyRange, KeyValueOperation, KeyValueStore } from "./key-value-store.ts";
import { bufferOf } from "./layout.ts";

/** Read at a time at a start; LevelDB's own default of 16 KiB would be a call an entry. */
const READ_BYTES = 4 * 1024 * 1024;
const READ_RECORDS = 1024;
/**
 * LevelDB's own default is 4 MiB: with it, 543 MB were written to store a snapshot of 200 MB, and
 * 396 MB with this. Held in memory, twice at worst.
 */
const WRITE_BUFFER_BYTES = 16 * 1024 * 1024;

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
    writeBufferSize: WRITE_BUFFER_BYTES,
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

/** `level` tells only of what it has in browsers too; under Node it is a classic-level. */
interface Compacting {
  compactRange(start: Buffer, end: Buffer): Promise<void>;
}

class LevelStore implements KeyValueStore {
  readonly #path: string;
  readonly #level: Level<Buffer, Buffer>;

  constructor(path: string, level: Level<Buffer, Buffer>) {
    this.#path = path;
    this.#level = level;
  }

  async batch(operations: readonly KeyValueOperation[]): Promise<void> {
    const [only] = operations;
    if (operations.length === 1 && only?.type === "put") {
      await this.#level.put(bufferOf(only.key), bufferOf(only.value), { sync: true });
      return;
    }
    await this.#level.batch(
      operations.map((operation) =>
        operation.type === "put"
          ? { type: "put", key: bufferOf(operation.key), value: bufferOf(operation.value) }
          : { type: "del", key: bufferOf(operation.key) },
      ),
      { sync: true },
    );
  }

  async get(key: Uint8Array): Promise<Uint8Array | null> {
    return (await this.#reading(() => this.#level.get(bufferOf(key)))) ?? null;
  }

  async *iterate(range: KeyRange): AsyncIterable<readonly [Uint8Array, Uint8Array]> {
    const iterator = this.#level.iterator({
      gte: bufferOf(range.from),
      lt: bufferOf(range.to),
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
      throw this.#readingError(error);
    } finally {
      await iterator.close();
    }
  }

  async edge(range: KeyRange, end: "first" | "last"): Promise<Uint8Array | null> {
    const [gte, lt] = [bufferOf(range.from), bufferOf(range.to)];
    const options = { gte, lt, reverse: end === "last", limit: 1, fillCache: false };
    const keys = await this.#reading(() => this.#level.keys(options).all());
    return keys[0] ?? null;
  }

  async compact(range: KeyRange): Promise<void> {
    const level = this.#level as unknown as Compacting;
    await this.#reading(() => level.compactRange(bufferOf(range.from), bufferOf(range.to)));
  }

  async close(): Promise<void> {
    await this.#level.close();
  }

  async #reading<Result>(read: () => Promise<Result>): Promise<Result> {
    try {
      return await read();
    } catch (error) {
      throw this.#readingError(error);
    }
  }

  #readingError(error: unknown): unknown {
    if (causeCode(error) !== "LEVEL_CORRUPTION") return error;
    return damaged(dirname(this.#path), `${this.#path}: ${messageOf(error)}`, error);
  }
}
