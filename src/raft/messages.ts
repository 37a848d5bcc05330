import type { Entry, LogIndex, MemberId, ReadId, Snapshot, SnapshotId, Term } from "./types.ts";

interface Header {
  readonly from: MemberId;
  readonly to: MemberId;
  /** The sender's term; in `preVote`, the term that it would campaign in. */
  readonly term: Term;
}

/** §5.2, §5.4.1. */
export interface RequestVote extends Header {
  readonly type: "requestVote";
  readonly lastLogIndex: LogIndex;
  readonly lastLogTerm: Term;
  /** The leader itself has asked for this election: nobody refuses for its sake. */
  readonly isTransfer: boolean;
}

export interface RequestVoteResponse extends Header {
  readonly type: "requestVoteResponse";
  readonly granted: boolean;
}

/** Dissertation 9.6. Changes neither term nor vote of who answers. */
export interface PreVote extends Header {
  readonly type: "preVote";
  readonly lastLogIndex: LogIndex;
  readonly lastLogTerm: Term;
}

/** When granted, `term` repeats the request's; when not, it is the answerer's own. */
export interface PreVoteResponse extends Header {
  readonly type: "preVoteResponse";
  readonly granted: boolean;
}

/** §5.3. `entries` may be empty (a probe). */
export interface AppendEntries extends Header {
  readonly type: "appendEntries";
  readonly prevLogIndex: LogIndex;
  readonly prevLogTerm: Term;
  readonly entries: readonly Entry[];
  readonly commitIndex: LogIndex;
}

/**
 * A success vouches that everything up to `matchIndex` is the leader's and is on this disk.
 * A rejection echoes the probe (`prevLogIndex`) and says where the logs may still agree.
 */
export type AppendEntriesResponse = Header & { readonly type: "appendEntriesResponse" } & (
    | { readonly success: true; readonly matchIndex: LogIndex }
    | {
        readonly success: false;
        readonly prevLogIndex: LogIndex;
        readonly hintIndex: LogIndex;
        readonly hintTerm: Term;
        /** Where the log ended that this member had and returned without; 0: it has lost none. */
        readonly lostIndex: LogIndex;
      }
  );

/**
 * Of what the receiver was sent before, everything up to `commitIndex` is committed. Nobody answers
 * it, and where it is lost a later message says the same (Viewstamped Replication Revisited, 4.1).
 */
export interface Commit extends Header {
  readonly type: "commit";
  readonly commitIndex: LogIndex;
}

/** Carries the quorum round (dissertation 6.4). `commitIndex` is never past the receiver's match. */
export interface Heartbeat extends Header {
  readonly type: "heartbeat";
  readonly commitIndex: LogIndex;
  /** Counts up within the leader's term; an answer confirms this round and all before it. */
  readonly round: number;
}

export interface HeartbeatResponse extends Header {
  readonly type: "heartbeatResponse";
  readonly round: number;
}

/** A follower's waiting reads, as one. */
export interface ReadIndex extends Header {
  readonly type: "readIndex";
  readonly id: ReadId;
}

export interface ReadIndexResponse extends Header {
  readonly type: "readIndexResponse";
  readonly id: ReadId;
  readonly index: LogIndex;
}

/** Dissertation 3.10: the leader asks the receiver to campaign at once. */
export interface TimeoutNow extends Header {
  readonly type: "timeoutNow";
  /** Where the leader's log ended, and the receiver's too: if either has gone on, it is too late. */
  readonly lastLogIndex: LogIndex;
}

/**
 * §7, Figure 13: one chunk of a snapshot. With `chunk === snapshot.chunks` it brings nothing and
 * asks what has come; `chain` and `data` are empty then.
 */
export interface InstallSnapshot extends Header {
  readonly type: "installSnapshot";
  readonly snapshot: Snapshot;
  /** Chain checksum of the log at the snapshot's index, 16 hex digits. */
  readonly chain: string;
  /** Counts from 0. */
  readonly chunk: number;
  readonly data: Uint8Array;
}

/**
 * The chunks before `received` have come, and those before `next` are on this disk: at most
 * `received`, which is at most the number of chunks. That all is installed is said, as of any other
 * entries, by a successful `appendEntriesResponse` at or past the snapshot's index.
 */
export interface InstallSnapshotResponse extends Header {
  readonly type: "installSnapshotResponse";
  readonly id: SnapshotId;
  readonly next: number;
  readonly received: number;
}

export type RaftMessage =
  | RequestVote
  | RequestVoteResponse
  | PreVote
  | PreVoteResponse
  | AppendEntries
  | AppendEntriesResponse
  | Commit
  | Heartbeat
  | HeartbeatResponse
  | ReadIndex
  | ReadIndexResponse
  | TimeoutNow
  | InstallSnapshot
  | InstallSnapshotResponse;
