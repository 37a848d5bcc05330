import type { RegistryItem } from "../registry/snapshot.ts";

/**
 * How the state becomes the chunks of a snapshot. Items are encoded one by one, so that a chunk can
 * be closed at any of them; a chunk is its items in a row.
 */
export interface SnapshotCodec {
  encodeItem(item: RegistryItem): Uint8Array;
  joinItems(items: readonly Uint8Array[]): Uint8Array;
  /** Of a chunk that `joinItems` made; anything else throws, and the node stops. */
  decodeChunk(chunk: Uint8Array): readonly RegistryItem[];
}
