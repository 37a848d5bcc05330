/** The identity of a member: the incarnation of its data directory, 16 hex digits. */
export type MemberId = string;
export type Term = number;
/** The first entry has index 1. */
export type LogIndex = number;

/** Opaque to Raft but for its kind: `noop` opens a leader's term, `commands` is a batch. */
export type EntryKind = "noop" | "commands";

export interface Entry {
  readonly index: LogIndex;
  readonly term: Term;
  readonly kind: EntryKind;
  /** Empty for a `noop`. Never changed after it was handed over. */
  readonly data: Uint8Array;
}

/** Durable before anything that vouches for it leaves the node (§5, Figure 2). */
export interface HardState {
  readonly term: Term;
  readonly vote: MemberId | null;
}

export type Role = "follower" | "preCandidate" | "candidate" | "leader";

/** The members that vote. Membership changes will add learners and a joint half. */
export interface ConfState {
  readonly voters: readonly MemberId[];
}

/** What the log starts after: index 0 and term 0 where there is no snapshot. */
export interface SnapshotMeta {
  readonly index: LogIndex;
  readonly term: Term;
  readonly conf: ConfState;
}

/**
 * Something to make durable, in this order: term and vote, then entries. An entry replaces what
 * stands at its index and everything behind it. At most one is out at any time.
 */
export interface PersistRequest {
  /** Counts up from 1 within a start of the node. */
  readonly write: number;
  readonly hardState: HardState | null;
  readonly entries: readonly Entry[];
  /** Not vouched for; stored with the batch so that a start knows how far it may go alone. */
  readonly commitIndex: LogIndex;
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
