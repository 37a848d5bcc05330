/** The identity of a member: the incarnation of its data directory, 16 hex digits. */
export type MemberId = string;
export type Term = number;
/** The first entry has index 1. */
export type LogIndex = number;

/**
 * Opaque to Raft but for its kind: `noop` opens a leader's term, `commands` is a batch, `conf` is a
 * whole configuration.
 */
export type EntryKind = "noop" | "commands" | "conf";

export interface Entry {
  readonly index: LogIndex;
  readonly term: Term;
  readonly kind: EntryKind;
  /** Empty for a `noop`. Never changed after it was handed over. */
  readonly data: Uint8Array;
}

/** A log, told by its last entry; 0 and 0 where it is empty. */
export interface LogEnd {
  readonly index: LogIndex;
  readonly term: Term;
}

/** Durable before anything that vouches for it leaves the node (§5, Figure 2). */
export interface HardState {
  readonly term: Term;
  readonly vote: MemberId | null;
}

export type Role = "follower" | "preCandidate" | "candidate" | "leader";

/** A member, and what may be changed of it. */
export interface ConfMember {
  readonly id: MemberId;
  /** A label. */
  readonly name: string;
  /** `host:port`; empty where it was never told, as of those that a cluster was born with. */
  readonly address: string;
}

/**
 * A configuration (§6). Ids rise in each list. A voter may stand in both halves; a learner is in
 * neither.
 */
export interface ConfState {
  readonly voters: readonly MemberId[];
  /** While joint, the voters of before: whatever is decided takes a majority of each. Else empty. */
  readonly votersOutgoing: readonly MemberId[];
  /** Get everything and decide nothing. */
  readonly learners: readonly MemberId[];
  /** Everybody in one of the three, once. */
  readonly members: readonly ConfMember[];
}

/** What the log starts after: index 0 and term 0 where there is no snapshot. */
export interface SnapshotMeta {
  readonly index: LogIndex;
  readonly term: Term;
  readonly conf: ConfState;
}

/**
 * Tells two snapshots apart, those of one index too: `nonce` is drawn at random by who takes one,
 * since two members may cut the same state into different pieces.
 */
export interface SnapshotId {
  readonly index: LogIndex;
  /** A random integer below 2^48. */
  readonly nonce: number;
}

/** A complete snapshot, as it is stored and sent: the state at `index`, in `chunks` opaque pieces. */
export interface Snapshot extends SnapshotMeta {
  readonly nonce: number;
  /** At least 1. */
  readonly chunks: number;
  /** The sum of the chunks. */
  readonly bytes: number;
  /** Of the state, 16 hex digits: whoever reads the chunks must come to the same. */
  readonly digest: string;
}

/**
 * What a write does to the stored snapshots. Nothing refers to staged chunks until `switch`; at a
 * start those that no `switch` made current are gone.
 */
export type SnapshotWrite =
  /** Chunks `first`, `first + 1`, … of `id`. Chunk 0 lets go of whatever else was staged. */
  | {
      readonly type: "stage";
      readonly id: SnapshotId;
      readonly first: number;
      readonly chunks: readonly Uint8Array[];
    }
  /**
   * The staged chunks become the current snapshot, in one step. `chain` null: this member took it,
   * its log holds the entry at `index` and stays as it is. Else it was received: the log starts
   * again behind `index`, where the chain checksum is `chain`, and every entry that is there goes,
   * those behind `index` as well. Such a write comes without entries.
   */
  | { readonly type: "switch"; readonly snapshot: Snapshot; readonly chain: string | null }
  /** Entries up to `index`, at most the current snapshot's, are not needed any more. */
  | { readonly type: "cut"; readonly index: LogIndex }
  /** A former or an unfinished snapshot is not needed any more. */
  | { readonly type: "drop"; readonly id: SnapshotId };

/**
 * Something to make durable, in this order: term and vote, then entries and snapshots. An entry
 * replaces what stands at its index and everything behind it. At most one is out at any time.
 */
export interface PersistRequest {
  /** Counts up from 1 within a start of the node. */
  readonly write: number;
  readonly hardState: HardState | null;
  readonly entries: readonly Entry[];
  /** Not vouched for; stored with the batch so that a start knows how far it may go alone. */
  readonly commitIndex: LogIndex;
  /** Carried out after the entries, in the same step. */
  readonly snapshot: SnapshotWrite | null;
}

/** Asks to be woken after so many milliseconds. A later one replaces it. */
export interface Alarm {
  readonly number: number;
  readonly afterMs: number;
}

/** Names a batch of reads. `start` is drawn at random by each start of a node, `counter` counts. */
export interface ReadId {
  readonly start: number;
  readonly counter: number;
}

/** The read `id` is linearizable on this node once it has applied `index`. */
export interface ReadState {
  readonly id: ReadId;
  readonly index: LogIndex;
}
