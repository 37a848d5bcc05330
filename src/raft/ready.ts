import type { RaftMessage } from "./messages.ts";
import type { ProgressState } from "./progress.ts";
import type { ChunkRequest, Received } from "./snapshot.ts";
import type {
  Alarm,
  Entry,
  LogIndex,
  MemberId,
  PersistRequest,
  ReadState,
  SnapshotId,
  SnapshotWrite,
} from "./types.ts";

/** What there is to do for Raft's sake, given out once. */
export interface Ready {
  /** To be made durable, then told by `persisted`; null while another is, or for nothing to do. */
  readonly persist: PersistRequest | null;
  /** May leave at once, in this order; everything that they vouch for is durable. */
  readonly messages: readonly RaftMessage[];
  /**
   * To be applied, each index once a start, in order. An entry of kind `conf` tells that this
   * configuration is committed; in force it was before.
   */
  readonly committed: readonly Entry[];
  /** An id may come twice, or never. */
  readonly readStates: readonly ReadState[];
  /** To be told by `alarm` when its time has come; it replaces any earlier one. */
  readonly alarm: Alarm | null;
  /** To be taken before `committed`, which follows on from what was installed. */
  readonly received: readonly Received[];
  /** Of those that `writeSnapshot` was given: on disk since the last `ready`, in order. */
  readonly snapshotWritten: readonly SnapshotWrite[];
  /** Each to be answered by `chunkLoaded` or `chunkMissing`, in any order. */
  readonly chunkRequests: readonly ChunkRequest[];
}

export interface PeerProgress {
  readonly id: MemberId;
  readonly state: ProgressState;
  readonly matchIndex: LogIndex;
  readonly nextIndex: LogIndex;
  readonly inflightEntries: number;
  readonly inflightBytes: number;
  /** Since it last answered. */
  readonly ticksSinceHeard: number;
  /** In `snapshot`: the one that is sent, and how many of its chunks are on the peer's disk. */
  readonly snapshot: {
    readonly id: SnapshotId;
    readonly chunks: number;
    readonly next: number;
  } | null;
}
