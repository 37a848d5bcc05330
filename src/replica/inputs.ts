import type { Refusal } from "../errors.ts";
import type { ConfChange } from "../raft/conf-change.ts";
import type { ChunkRequest, LogStart } from "../raft/snapshot.ts";
import type { TransferRefusal } from "../raft/transfer.ts";
import type {
  Alarm,
  ConfState,
  Entry,
  HardState,
  LogEnd,
  LogIndex,
  MemberId,
  PersistRequest,
  Role,
  Snapshot,
  SnapshotMeta,
  Term,
} from "../raft/types.ts";
import type { Change } from "../registry/change.ts";
import type { EndReason, Reply, SessionCommand } from "../registry/command.ts";
import type { Instance, Selector } from "../registry/instance.ts";
import type { Registry } from "../registry/registry.ts";
import type { Divergence, Doubt } from "./checkpoints.ts";
import type { DiskState } from "./disk-states.ts";
import type { MembersOutcome } from "./member-changes.ts";
import type { PeerMessage } from "./peer-messages.ts";

/** Given by the driver, counts up, never used again within a start of the node. */
export type ConnectionId = number;
/** The client's own number of a request; unique among those of a connection that wait. */
export type RequestId = number;
/** The client's own or the node's number of a watch, unique within its connection. */
export type WatchId = number;

/** What is on disk at the start of a replica. */
export interface Restored {
  readonly hardState: HardState;
  /** Where there is none: index 0 and term 0, and the configuration at birth. */
  readonly snapshot: Snapshot | SnapshotMeta;
  /** What the entries follow on from; at or before the snapshot. */
  readonly logStart: LogStart;
  readonly entries: readonly Entry[];
  /** How far the entries were known to be committed; 0 where nothing was stored. */
  readonly commitIndex: LogIndex;
  /** The end of a log that this member had and returns without; null where it has lost none. */
  readonly lostEnd: LogEnd | null;
  /** The state as of the snapshot; an empty one where there is none. The replica goes on with it. */
  readonly registry: Registry;
}

/** Answers a `readChunk`; null where the snapshot was dropped. */
export interface ChunkRead {
  readonly request: ChunkRequest;
  readonly chunk: { readonly data: Uint8Array; readonly chain: string } | null;
}

export type ReadConsistency =
  | { readonly type: "linearizable" }
  /** Waits until this node has applied `revision`. */
  | { readonly type: "atLeast"; readonly revision: number }
  /** Local, refused with TOO_STALE beyond `maxAgeMs`; null sets no bound. */
  | { readonly type: "stale"; readonly maxAgeMs: number | null };

/** `SessionCommand` as a client sends it: the connection says which session. */
type Unbound<C> = C extends SessionCommand ? Omit<C, "session"> : never;
export type WriteCommand = Unbound<SessionCommand>;

export type ClientInput =
  | {
      readonly type: "connected";
      readonly connection: ConnectionId;
      /** The highest revision that the client has seen in this lineage; it is never shown less. */
      readonly floorRevision: number;
    }
  /** `byClient`: its end closed or reset; else the node closed it. After `closeSession` it says nothing. */
  | { readonly type: "disconnected"; readonly connection: ConnectionId; readonly byClient: boolean }
  | {
      readonly type: "open";
      readonly connection: ConnectionId;
      readonly request: RequestId;
      readonly session: string;
      readonly secretHash: string;
      readonly attach: number;
      readonly ttlMs: number;
      readonly graceMs: number;
      readonly client: string;
      readonly timeoutMs: number;
    }
  /** Resume on this connection; answered by `sessionState` outputs. */
  | {
      readonly type: "attach";
      readonly connection: ConnectionId;
      readonly session: string;
      readonly secretHash: string;
      readonly attach: number;
    }
  | {
      readonly type: "write";
      readonly connection: ConnectionId;
      readonly request: RequestId;
      readonly command: WriteCommand;
      readonly timeoutMs: number;
    }
  | {
      readonly type: "read";
      readonly connection: ConnectionId;
      readonly request: RequestId;
      readonly selector: Selector;
      readonly consistency: ReadConsistency;
      readonly timeoutMs: number;
    }
  | {
      readonly type: "subscribe";
      readonly connection: ConnectionId;
      readonly watch: WatchId;
      readonly selector: Selector;
      /** Resume: the changes after this revision are wanted. Null: a snapshot first. */
      readonly from: number | null;
      /** `full`: the whole list at every change. */
      readonly mode: "delta" | "full";
      /** Served although this node cannot tell how old its copy is (no leader since its start). */
      readonly allowUnknownAge: boolean;
    }
  | { readonly type: "unsubscribe"; readonly connection: ConnectionId; readonly watch: WatchId }
  | { readonly type: "ack"; readonly connection: ConnectionId; readonly revision: number }
  /** A keepalive. `request` null: a sign of life that wants no answer (a WebSocket pong). */
  | { readonly type: "ping"; readonly connection: ConnectionId; readonly request: RequestId | null }
  /** The socket's buffer is past its bound, or has drained: watches of it wait meanwhile. */
  | { readonly type: "writable"; readonly connection: ConnectionId; readonly isWritable: boolean };

export type Input =
  /** Every TICK_MS of this node's monotonic clock; a late one is one tick, not many. */
  | { readonly type: "tick" }
  | { readonly type: "persisted"; readonly write: number }
  | ({ readonly type: "chunkRead" } & ChunkRead)
  | { readonly type: "peerMessage"; readonly message: PeerMessage }
  /** The link on which this node sends to `peer`. */
  | { readonly type: "peerLink"; readonly peer: MemberId; readonly isUp: boolean }
  /**
   * `isGone`: no connection with `peer` is left, and a new dial was refused, or not answered within
   * PEER_ANSWER_MS. False: there is a connection again.
   */
  | { readonly type: "peerGone"; readonly peer: MemberId; readonly isGone: boolean }
  /** Of the disk that this node writes to. `ok` until something else is told. */
  | { readonly type: "disk"; readonly state: DiskState }
  /** The time of the `alarm` output of that number has come. */
  | { readonly type: "alarm"; readonly number: number }
  /** To the voter that fits best for null. What becomes of it is told by `leadershipTransfer`. */
  | { readonly type: "transferLeadership"; readonly to: MemberId | null }
  /** What becomes of it is told by a `membersChange` of the same number. */
  | { readonly type: "changeMembers"; readonly request: number; readonly change: ConfChange }
  | ClientInput;

/** How old the answer may be: null where this node cannot tell. 0 for a linearizable read. */
export type AgeMs = number | null;

export interface ReadAnswer {
  readonly instances: readonly Instance[];
  readonly revision: number;
  readonly ageMs: AgeMs;
}

/**
 * What a watch receives of one command. Identical watches receive the same object, so that its
 * bytes are made once. `collapsed`: stands for all of (from, revision], latest state per instance;
 * only the last of a row of frames (`isLast`) is a place to resume from.
 */
export interface DeltaBody {
  readonly revision: number;
  readonly put: readonly Instance[];
  readonly remove: readonly Instance[];
  readonly collapsed: { readonly from: number; readonly isLast: boolean } | null;
}

export interface SnapshotBody {
  readonly revision: number;
  readonly instances: readonly Instance[];
  /** What the client had is void: replace it. */
  readonly isReset: boolean;
  readonly ageMs: AgeMs;
}

/** What a session owns, and the revision of the last change to that. */
export interface OwnedView {
  readonly owned: number;
  readonly ownedRevision: number;
}

export type SessionState =
  /** One of the others follows. */
  | { readonly state: "unconfirmed" }
  /** `owned` instances, last changed at `ownedRevision`; the state's revision when it was told. */
  | {
      readonly state: "resumed";
      readonly owned: number;
      readonly ownedRevision: number;
      readonly lastSeq: number;
      readonly revision: number;
    }
  | { readonly state: "expired"; readonly reason: EndReason | "unknown"; readonly revision: number }
  /** `attach`: the secret is right, but the session has the connection of this number. */
  | { readonly state: "denied"; readonly attach?: number };

export type ClientOutput =
  | {
      readonly type: "writeReply";
      readonly connection: ConnectionId;
      readonly request: RequestId;
      readonly reply: Reply;
    }
  | {
      readonly type: "readReply";
      readonly connection: ConnectionId;
      readonly request: RequestId;
      readonly answer: ReadAnswer;
    }
  /** A refusal that did not come out of `apply`. */
  | {
      readonly type: "refused";
      readonly connection: ConnectionId;
      readonly request: RequestId;
      readonly refusal: Refusal;
    }
  | {
      readonly type: "sessionState";
      readonly connection: ConnectionId;
      readonly session: string;
      readonly state: SessionState;
    }
  | {
      readonly type: "snapshot";
      readonly connection: ConnectionId;
      readonly watch: WatchId;
      readonly body: SnapshotBody;
    }
  | {
      readonly type: "delta";
      readonly connection: ConnectionId;
      readonly watch: WatchId;
      readonly body: DeltaBody;
    }
  /** Every watch of the connection has been given all up to `revision`. */
  | { readonly type: "mark"; readonly connection: ConnectionId; readonly revision: number }
  | {
      readonly type: "pong";
      readonly connection: ConnectionId;
      readonly request: RequestId;
      readonly confirmed: boolean;
      /** Of a confirmed session, as in `resumed`; null where it is not. */
      readonly owned: OwnedView | null;
      readonly revision: number;
      readonly ageMs: AgeMs;
    };

/** What a node has to know of its replica beside what it is to do. */
export type Notice =
  | {
      readonly type: "raftState";
      readonly role: Role;
      readonly term: Term;
      readonly leader: MemberId | null;
    }
  /** All changes of one entry, in the order of its commands. */
  | { readonly type: "applied"; readonly index: LogIndex; readonly changes: readonly Change[] }
  | {
      readonly type: "sessionEnded";
      readonly session: string;
      readonly reason: EndReason;
      readonly revision: number;
    }
  | { readonly type: "caughtUp"; readonly index: LogIndex; readonly ageKnown: boolean }
  /** No state has a majority (not null), or one has again. */
  | { readonly type: "doubt"; readonly doubt: Doubt | null }
  /** Its disk is full, and the others go on without it; or it has room again, or nobody goes on. */
  | { readonly type: "stranded"; readonly isStranded: boolean }
  | { readonly type: "massBreak"; readonly sessions: number }
  /** `to` null: no target was found. */
  | {
      readonly type: "leadershipTransfer";
      readonly to: MemberId | null;
      readonly outcome: TransferOutcome;
    }
  | {
      readonly type: "membersChange";
      readonly request: number;
      readonly outcome: MembersOutcome;
    }
  /** Another one is in force, committed or not. Its members are whom to keep links to. */
  | { readonly type: "configuration"; readonly conf: ConfState }
  /** Committed from now on. Who is in neither is no member any more. */
  | { readonly type: "configurationCommitted"; readonly conf: ConfState }
  /** It is committed that this node is no member any more. */
  | { readonly type: "removed" }
  /** It had come back without its log and its state, and has what it lacked. 0: nothing to agree on. */
  | { readonly type: "returned"; readonly agreedIndex: LogIndex }
  /** One at `index` is written, and another would be due, but no majority has agreed on it yet. */
  | { readonly type: "snapshotWaits"; readonly index: LogIndex }
  /** Taken by this member, or received and installed; the log before it is cut. */
  | {
      readonly type: "snapshot";
      readonly how: "taken" | "installed";
      readonly index: LogIndex;
      readonly bytes: number;
    };

/**
 * - `started`, then one of
 * - `done`: `to` leads,
 * - `superseded`: this node does not lead any more, and somebody else than `to` does,
 * - `abandoned`: the time was up, or `to` is gone; this node leads on.
 * Or it was refused at once (`TransferRefusal`).
 */
export type TransferOutcome = "started" | "done" | "superseded" | "abandoned" | TransferRefusal;

export type Output =
  | { readonly type: "persist"; readonly request: PersistRequest }
  /** A stored chunk is wanted, to be sent; answered by `chunkRead`, while persists go on. */
  | { readonly type: "readChunk"; readonly request: ChunkRequest }
  | { readonly type: "send"; readonly message: PeerMessage }
  /** Asks for an `alarm` input; replaces the one that was asked for before. */
  | { readonly type: "alarm"; readonly alarm: Alarm }
  | { readonly type: "client"; readonly output: ClientOutput }
  /**
   * The last output of a member, and the only one of its turn: its state is not the majority's. It
   * must end, and must not start again with what is on its disk.
   */
  | { readonly type: "diverged"; readonly divergence: Divergence }
  | { readonly type: "notice"; readonly notice: Notice };
