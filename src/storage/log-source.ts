import type { LogIndex } from "../raft/types.ts";
import type { KeyValueStore } from "./key-value-store.ts";
import { decodeStored, entryKey } from "./layout.ts";

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
