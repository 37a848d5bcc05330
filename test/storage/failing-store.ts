import { join } from "node:path";
import type {
  KeyRange,
  KeyValueOperation,
  KeyValueStore,
} from "../../src/storage/key-value-store.ts";
import { openStorage, type StorageOptions } from "../../src/storage/level-storage.ts";
import { MarkFile } from "../../src/storage/mark-file.ts";
import { VoteFile } from "../../src/storage/vote-file.ts";
import { temporaryDirectory } from "./fixture.ts";

export const OWN = "0123456789abcdef";

/** A database whose disk fails when told to. What a failed batch wrote is anybody's guess. */
export class FailingStore implements KeyValueStore {
  readonly records = new Map<string, Uint8Array>();
  failure: Error | null = null;
  batches = 0;
  readonly compacted: KeyRange[] = [];
  /** Batches wait for it before they are written. */
  held: Promise<void> | null = null;

  async batch(operations: readonly KeyValueOperation[]): Promise<void> {
    this.batches += 1;
    if (this.held !== null) await this.held;
    if (this.failure !== null) throw this.failure;
    for (const operation of operations) {
      const key = Buffer.from(operation.key).toString("hex");
      if (operation.type === "put") this.records.set(key, operation.value);
      else this.records.delete(key);
    }
  }

  async get(key: Uint8Array): Promise<Uint8Array | null> {
    if (this.failure !== null) throw this.failure;
    return this.records.get(Buffer.from(key).toString("hex")) ?? null;
  }

  async *iterate({ from, to }: KeyRange): AsyncIterable<readonly [Uint8Array, Uint8Array]> {
    for (const [hex, value] of [...this.records].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const key = Buffer.from(hex, "hex");
      if (Buffer.compare(key, from) >= 0 && Buffer.compare(key, to) < 0) yield [key, value];
    }
    if (this.failure !== null) throw this.failure;
  }

  async edge(range: KeyRange, end: "first" | "last"): Promise<Uint8Array | null> {
    let found: Uint8Array | null = null;
    for await (const [key] of this.iterate(range)) {
      if (found === null || end === "last") found = key;
    }
    return found;
  }

  async compact(range: KeyRange): Promise<void> {
    this.compacted.push(range);
    if (this.failure !== null) throw this.failure;
  }

  async close(): Promise<void> {}
}

export async function openOn(store: KeyValueStore, options?: StorageOptions) {
  const directory = await temporaryDirectory();
  await VoteFile.create(directory, OWN);
  const markPath = join(directory, "mark");
  await MarkFile.create(markPath, OWN);
  const place = { directory, markPath, incarnation: OWN, store };
  return { ...place, ...(await openStorage(place, options)) };
}
