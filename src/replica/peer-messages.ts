import type { RaftMessage } from "../raft/messages.ts";
import type { LogIndex, MemberId, Term } from "../raft/types.ts";
import type { DiskState, Intake } from "./disk-states.ts";

interface Header {
  readonly from: MemberId;
  readonly to: MemberId;
}

/** Encoded commands on their way to the leader, in the order in which a session numbered them. */
export interface Forward extends Header {
  readonly type: "forward";
  /** The term in which the sender knows the receiver as leader; any other drops it. */
  readonly term: Term;
  readonly commands: readonly Uint8Array[];
}

/** A session and the attach number of the connection that speaks for it. */
export interface AttachedSession {
  readonly session: string;
  readonly attach: number;
}

/** One start of one node. With an attach number it tells one connection of a session from all others. */
export interface Origin {
  readonly from: MemberId;
  readonly start: number;
}

/**
 * What a node tells the leader of the sessions it serves, every heartbeat and when a session
 * attaches or breaks. `sentAtMs` is the node's own clock; only the node reads it again.
 */
export interface Report extends Header {
  readonly type: "report";
  readonly term: Term;
  /** Counts up within a start of the node; `start` tells the starts apart. */
  readonly start: number;
  readonly counter: number;
  readonly sentAtMs: number;
  /** Somebody waits for this one: the leader begins a round for it at once. */
  readonly isUrgent: boolean;
  /** All that were heard and are not confirmed yet, so that a lost report costs only time. */
  readonly touches: readonly AttachedSession[];
  /** The client's end closed or reset without `bye`. */
  readonly breaks: readonly AttachedSession[];
  /** Of the sender. */
  readonly disk: DiskState;
}

/**
 * The leader took report `counter` before it began a quorum round that has since succeeded. What
 * the node has applied up to `commitIndex` is then at most `now - sentAtMs` old, and the touches
 * are confirmed but for those `refused` and those `superseded`.
 */
export interface ReportConfirmed extends Header {
  readonly type: "reportConfirmed";
  readonly term: Term;
  readonly start: number;
  readonly counter: number;
  readonly sentAtMs: number;
  readonly commitIndex: LogIndex;
  /** Touches it did not take: the end of the session is appended, or it is not known. */
  readonly refused: readonly string[];
  /** Nor these: another connection speaks for the session, of this number, which is as high or higher. */
  readonly superseded: readonly AttachedSession[];
  /** What is to be refused is not handed to the leader. */
  readonly intake: Intake;
}

/**
 * The digest of a voter's state with everything up to `index` applied and nothing behind it. Sent at
 * every `CHECKPOINT_ENTRIES`th index, and the last one again over a new link; not answered.
 */
export interface Checkpoint extends Header {
  readonly type: "checkpoint";
  /** Of the sender; what was applied at an index is the same in all of them. */
  readonly term: Term;
  readonly index: LogIndex;
  /** 16 hex digits. */
  readonly digest: string;
}

export type PeerMessage = RaftMessage | Forward | Report | ReportConfirmed | Checkpoint;
