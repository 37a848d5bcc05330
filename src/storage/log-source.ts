import type { LogIndex, SnapshotId } from "../raft/types.ts";
import type { KeyValueStore } from "./key-value-store.ts";
import { decodeStored, entryKey, indexOfKey } from "./layout.ts";
import { salvageLevel } from "./level-salvage.ts";
import { POINTER_KEY } from "./snapshot-layout.ts";
import { chunksFrom, type RepairSource, type SealedChunk } from "./snapshot-source.ts";

/** Small ones would else keep the loop of the node that is asked for long. */
const ENTRIES_MAX = 1_000;

/** Of a data directory that is in use. */
export class StoredSource implements RepairSource {
  readonly #store: () => KeyValueStore | null;
  readonly #aside: string | null;
  /** One at a time. Never rejects. */
  #formerRead: Promise<unknown> = Promise.resolve();

  /** `store`: null of one that is damaged; `aside`: the database that was in use before, if kept. */
  constructor(store: () => KeyValueStore | null, aside: string | null) {
    this.#store = store;
    this.#aside = aside;
  }

  async readDownFrom(to: LogIndex, bytesMax: number): Promise<readonly Uint8Array[]> {
    const store = this.#store();
    return store === null ? [] : entriesDownFrom(store, to, bytesMax);
  }

  async readFormerDownFrom(to: LogIndex, bytesMax: number): Promise<readonly Uint8Array[]> {
    const aside = this.#aside;
    if (aside === null) return [];
    const read = this.#formerRead.then(() => formerDownFrom(aside, to, bytesMax));
    this.#formerRead = read.catch(() => {});
    return read;
  }

  async readPointer(): Promise<Uint8Array | null> {
    return (await this.#store()?.get(POINTER_KEY)) ?? null;
  }

  async readChunksFrom(
    id: SnapshotId,
    first: number,
    bytesMax: number,
  ): Promise<readonly SealedChunk[]> {
    const store = this.#store();
    return store === null ? [] : chunksFrom(store, id, first, bytesMax);
  }
}

/** Of a database that is in use. */
async function entriesDownFrom(
  store: KeyValueStore,
  to: LogIndex,
  bytesMax: number,
): Promise<readonly Uint8Array[]> {
  const taken: Uint8Array[] = [];
  let bytes = 0;
  for (let index = to; index > 0 && taken.length < ENTRIES_MAX; index -= 1) {
    if (taken.length > 0 && bytes >= bytesMax) break;
    const value = await store.get(entryKey(index));
    if (value === null || decodeStored(value) === null) break;
    taken.push(value);
    bytes += value.length;
  }
  return taken;
}

/** Of one that is not in use, which LevelDB has not opened. */
async function formerDownFrom(
  database: string,
  to: LogIndex,
  bytesMax: number,
): Promise<readonly Uint8Array[]> {
  const found = new Highest(bytesMax);
  for await (const { key, value } of salvageLevel(database)) {
    const index = indexOfKey(key);
    if (index === null || value === null || index > to || index <= to - ENTRIES_MAX) continue;
    if (decodeStored(value) !== null) found.offer(index, value);
  }
  return withinBytes(found.values, bytesMax);
}

/** Of entries that come in any order, the highest, as many as fit into `bytesMax`, and one more. */
export class Highest {
  readonly #bytesMax: number;
  /** The highest first. */
  readonly #kept: { readonly index: LogIndex; readonly value: Uint8Array }[] = [];
  #bytes = 0;
  /** Below it there is no room any more. */
  #floor: LogIndex = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get values(): readonly Uint8Array[] {
    return this.#kept.map(({ value }) => value);
  }

  /** Copies it where it is kept. */
  offer(index: LogIndex, value: Uint8Array): void {
    if (index < this.#floor) return;
    const at = this.#kept.findIndex((kept) => kept.index < index);
    this.#kept.splice(at < 0 ? this.#kept.length : at, 0, { index, value: Uint8Array.from(value) });
    this.#bytes += value.length;
    for (;;) {
      const last = this.#kept.at(-1);
      if (last === undefined || this.#bytes - last.value.length < this.#bytesMax) return;
      this.#kept.pop();
      this.#bytes -= last.value.length;
      this.#floor = last.index;
    }
  }
}

/** At least one, where there is one. */
export function withinBytes(values: Iterable<Uint8Array>, bytesMax: number): readonly Uint8Array[] {
  const taken: Uint8Array[] = [];
  let bytes = 0;
  for (const value of values) {
    bytes += value.length;
    if (taken.length === ENTRIES_MAX || (taken.length > 0 && bytes > bytesMax)) break;
    taken.push(value);
  }
  return taken;
}
