import type {
  ConfMember,
  Entry,
  HardState,
  LogEnd,
  LogIndex,
  PersistRequest,
  Snapshot,
  SnapshotId,
  Term,
} from "../raft/types.ts";
import type { Chain } from "./layout.ts";

/** Whose directory this is; written once, at birth or join, and compared at every start. */
export interface Identity {
  readonly formatVersion: number;
  /** A label; the incarnation is the identity. */
  readonly name: string;
  /** 16 hex digits, drawn when the directory was made. */
  readonly incarnation: string;
}

/** Of a cluster: written once all its members agreed (design section 6, "Birth"). */
export interface BirthRecord {
  /** 32 hex digits. */
  readonly clusterId: string;
  /** Raised by a recovery from a lost quorum. */
  readonly epoch: number;
  /** Those that it was born with, whether or not this directory is one of them. */
  readonly members: readonly { readonly name: string; readonly incarnation: string }[];
}

/** How a directory became part of its cluster. */
export interface Membership extends BirthRecord {
  /**
   * As of this index it is committed that this directory is a member: 0 where the cluster was born
   * with it, else what the leader said that added it.
   */
  readonly joinedIndex: LogIndex;
}

export interface LoadedLog {
  readonly hardState: HardState;
  /** The current one, all of whose chunks are there. */
  readonly snapshot: Snapshot | null;
  /** The log begins behind it, at or before the snapshot's index. */
  readonly logStart: { readonly index: LogIndex; readonly term: Term };
  readonly entries: readonly Entry[];
  /** At least the snapshot's index. */
  readonly commitIndex: LogIndex;
}

/** What is known of a log that was set aside, by a member that takes its state from a peer. */
export interface Returning {
  readonly lostEnd: LogEnd;
  /** Of the configuration in force at its end, which the log that comes will have in time. */
  readonly members: readonly ConfMember[];
}

/** What a member has on its disk of its log, for one that repairs its own. */
export interface LogSource {
  /**
   * Entries as they are stored, from `to` downwards without those that are not whole or not there;
   * as many as fit into `bytesMax`, and at least one. Each proves itself (`LogRepair`).
   */
  readDownFrom(to: LogIndex, bytesMax: number): Promise<readonly Uint8Array[]>;
  /**
   * The same of the log that was in use before this one, where that is kept. All of that database is
   * read for it, so it is for when nobody else can help: where nobody leads.
   */
  readFormerDownFrom(to: LogIndex, bytesMax: number): Promise<readonly Uint8Array[]>;
}

export interface StoredChunk {
  readonly data: Uint8Array;
  /** The chain checksum of the log at the snapshot's index. */
  readonly chain: Chain;
}

/**
 * The durable half of a member. `persist` resolves when everything in the request is on disk;
 * it is never called while another is out. Any failure is final (`StorageError`, code DISK): the
 * node must end without acknowledging.
 */
export interface Storage {
  persist(request: PersistRequest): Promise<void>;
  /**
   * Chunk `chunk` of the current snapshot or of a former one; null once that was dropped. May be
   * called while a persist is out.
   *
   * @throws StorageError DAMAGED when it is not what was written, DISK.
   */
  readChunk(id: SnapshotId, chunk: number): Promise<StoredChunk | null>;
  /**
   * The chunks of the current snapshot in order, read as they are taken; none without a snapshot.
   *
   * @throws StorageError DAMAGED when one is missing or not what was written, DISK.
   */
  chunks(): AsyncIterable<Uint8Array>;
  /** Syncs the mark and closes. */
  close(): Promise<void>;
}

export type StorageErrorCode =
  /** A write, fsync or read failed. */
  | "DISK"
  /** What is on disk is not what was written; `message` says what, `hint` what to do. */
  | "DAMAGED"
  /** The directory belongs to another node or cluster. */
  | "FOREIGN"
  /** Another process, or this one, has the directory open. */
  | "LOCKED"
  /** It was a member's, who was removed from the cluster. */
  | "REMOVED"
  /** Its cluster has gone on in a higher epoch. */
  | "SUPERSEDED"
  /** A restore or a recovery has not made it to the end. */
  | "UNFINISHED"
  /** The directory was written by a newer Rollcall. */
  | "VERSION";

export class StorageError extends Error {
  override readonly name = "StorageError";
  readonly code: StorageErrorCode;
  readonly hint: string;

  constructor(code: StorageErrorCode, message: string, hint: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.hint = hint;
  }
}
