import type { LogIndex } from "../raft/types.ts";
import type { KeyValueStore } from "./key-value-store.ts";
import { decodeStored, entryKey } from "./layout.ts";

/** Of a database that is in use. */
export async function entriesDownFrom(
  store: KeyValueStore,
  to: LogIndex,
  bytesMax: number,
): Promise<readonly Uint8Array[]> {
  const taken: Uint8Array[] = [];
  let bytes = 0;
  for (let index = to; index > 0 && (taken.length === 0 || bytes < bytesMax); index -= 1) {
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
    if (taken.length > 0 && bytes > bytesMax) break;
    taken.push(value);
  }
  return taken;
}
