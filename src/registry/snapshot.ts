import type { EndReason, Reply } from "./command.ts";
import type { SessionRecord, Tombstone, Totals } from "./digest.ts";
import type { Instance } from "./instance.ts";

/** All of a session but its instances. */
export interface SessionImage extends SessionRecord {
  readonly ownedRevision: number;
  readonly ending: EndReason | null;
  readonly lastSeq: number;
  readonly floor: number;
  /** Of the numbers from `floor` to `lastSeq`. */
  readonly replies: readonly Reply[];
}

/**
 * A piece of the state. A snapshot is all of them: `totals` first, tombstones from the oldest on,
 * then each session with what it owns behind it, in its order, and last the persistent instances.
 */
export type RegistryItem =
  | { readonly type: "totals"; readonly totals: Totals }
  | { readonly type: "tombstone"; readonly tombstone: Tombstone }
  | { readonly type: "session"; readonly session: SessionImage }
  | { readonly type: "instance"; readonly instance: Instance };
