import type { KeyRange, KeyValueOperation, KeyValueStore } from "./key-value-store.ts";

/** A database that takes and gives nothing any more once `signal` says so. */
export class CutShort implements KeyValueStore {
  readonly #store: KeyValueStore;
  readonly #signal: AbortSignal;

  constructor(store: KeyValueStore, signal: AbortSignal) {
    this.#store = store;
    this.#signal = signal;
  }

  async batch(operations: readonly KeyValueOperation[]): Promise<void> {
    this.#signal.throwIfAborted();
    await this.#store.batch(operations);
  }

  async get(key: Uint8Array): Promise<Uint8Array | null> {
    this.#signal.throwIfAborted();
    return this.#store.get(key);
  }

  async *iterate(range: KeyRange): AsyncIterable<readonly [Uint8Array, Uint8Array]> {
    for await (const record of this.#store.iterate(range)) {
      this.#signal.throwIfAborted();
      yield record;
    }
  }

  async edge(range: KeyRange, end: "first" | "last"): Promise<Uint8Array | null> {
    this.#signal.throwIfAborted();
    return this.#store.edge(range, end);
  }

  compact(range: KeyRange): Promise<void> {
    return this.#store.compact(range);
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}
