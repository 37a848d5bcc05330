import type { RegistryItem } from "../registry/snapshot.ts";
import type { SnapshotCodec } from "./snapshot-codec.ts";

export interface NextChunk {
  /** Null where no item was left. */
  readonly data: Uint8Array | null;
  /** Nothing comes behind it. */
  readonly isLast: boolean;
}

/** The next items in a row, up to the one with which they have `bytesMax`. */
export function nextChunk(
  items: Iterator<RegistryItem, void>,
  codec: SnapshotCodec,
  bytesMax: number,
): NextChunk {
  const encoded: Uint8Array[] = [];
  let bytes = 0;
  let isLast = false;
  while (!isLast && bytes < bytesMax) {
    const next = items.next();
    if (next.done === true) {
      isLast = true;
    } else {
      const item = codec.encodeItem(next.value);
      encoded.push(item);
      bytes += item.length;
    }
  }
  return { data: encoded.length === 0 ? null : codec.joinItems(encoded), isLast };
}
