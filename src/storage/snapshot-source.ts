import type { SnapshotId } from "../raft/types.ts";
import type { KeyValueStore } from "./key-value-store.ts";
import { chunkKey, chunkOfKey, chunkRange, decodeChunk } from "./snapshot-layout.ts";
import type { LogSource } from "./storage.ts";

/** A chunk as it is stored, with its checksum. */
export interface SealedChunk {
  readonly chunk: number;
  readonly value: Uint8Array;
}

/** What a member has on its disk of its snapshot, for one that repairs its own. */
export interface SnapshotSource {
  /** The record that tells of it, as it is stored (`decodePointer`); null where there is none. */
  readPointer(): Promise<Uint8Array | null>;
  /**
   * Chunks of that snapshot from `first` upwards, without those that are not whole or not there; as
   * many as fit into `bytesMax`, and at least one where there is one.
   */
  readChunksFrom(id: SnapshotId, first: number, bytesMax: number): Promise<readonly SealedChunk[]>;
}

/** All that a member hands out to those that repair theirs. */
export interface RepairSource extends LogSource, SnapshotSource {}

/** Of a database that is in use. */
export async function chunksFrom(
  store: KeyValueStore,
  id: SnapshotId,
  first: number,
  bytesMax: number,
): Promise<readonly SealedChunk[]> {
  const range = { from: chunkKey(id, first), to: chunkRange(id).to };
  const taken: SealedChunk[] = [];
  let bytes = 0;
  for await (const [key, value] of store.iterate(range)) {
    if (taken.length > 0 && bytes + value.length > bytesMax) break;
    const found = chunkOfKey(key);
    if (found === null || decodeChunk(key, value) === null) continue;
    taken.push({ chunk: found.chunk, value });
    bytes += value.length;
  }
  return taken;
}
