import type { LogIndex, MemberId, Snapshot, SnapshotId, SnapshotMeta, Term } from "./types.ts";

/** What passes between Raft and who stores and builds snapshots (§7). */

/** The entry behind which a log begins; of it and of all before only this is known. */
export interface LogStart {
  readonly index: LogIndex;
  readonly term: Term;
}

/** Of a leader: a chunk to be read from the disk for a peer. One at a time for each peer. */
export interface ChunkRequest {
  readonly to: MemberId;
  readonly id: SnapshotId;
  readonly chunk: number;
}

export interface LoadedChunk extends ChunkRequest {
  readonly data: Uint8Array;
  /** Chain checksum of the log at the snapshot's index, 16 hex digits. */
  readonly chain: string;
}

/** What comes of a snapshot that another member sends, in order. */
export type Received =
  /** Not on disk yet. Chunk 0 starts over, whatever came before it. */
  | {
      readonly type: "chunk";
      readonly snapshot: Snapshot;
      readonly chunk: number;
      readonly data: Uint8Array;
    }
  /** It is this member's state from now on; what is committed next follows on from it. */
  | { readonly type: "installed"; readonly snapshot: Snapshot }
  /** It will not be installed: the log has overtaken it. */
  | { readonly type: "abandoned"; readonly snapshot: Snapshot };

export function idOf({ index, nonce }: Snapshot): SnapshotId {
  return { index, nonce };
}

export function isSameId(one: SnapshotId, other: SnapshotId): boolean {
  return one.index === other.index && one.nonce === other.nonce;
}

/** False for what a log without any snapshot starts from. */
export function isStored(snapshot: SnapshotMeta | Snapshot): snapshot is Snapshot {
  return "chunks" in snapshot;
}
