import type { LogIndex } from "../raft/types.ts";
import type { KeyValueStore } from "./key-value-store.ts";
import { decodeStored, entryKey, indexOfKey } from "./layout.ts";
import { salvageLevel } from "./level-salvage.ts";

/** Small ones would else keep the loop of the node that is asked for long. */
const ENTRIES_MAX = 1_000;

/** Of a database that is in use. */
export async function entriesDownFrom(
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
export async function formerDownFrom(
  database: string,
  to: LogIndex,
  bytesMax: number,
): Promise<readonly Uint8Array[]> {
  const found: { readonly index: LogIndex; readonly value: Uint8Array }[] = [];
  for await (const { key, value } of salvageLevel(database)) {
    const index = indexOfKey(key);
    if (index === null || value === null || index > to || index <= to - ENTRIES_MAX) continue;
    if (decodeStored(value) !== null) found.push({ index, value: Uint8Array.from(value) });
  }
  found.sort((a, b) => b.index - a.index);
  return withinBytes(
    found.map(({ value }) => value),
    bytesMax,
  );
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
