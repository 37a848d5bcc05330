import type { ErrorCode } from "../errors.ts";
import type { EndReason } from "../registry/command.ts";
import type { InstanceStatus, Location } from "../registry/instance.ts";

/** Raised with every change that an older end could misread; `test/wire` pins it to the schemas. */
export const PROTOCOL_VERSION = 1;
export const SUBPROTOCOL_JSON = "rollcall.v1.json";
export const SUBPROTOCOL_MSGPACK = "rollcall.v1.msgpack";

export type Meta = Readonly<Record<string, string>>;

/** What a provider says of an instance. Defaults: `limits.ts` and design section 4. */
export interface RegisterBody {
  readonly namespace?: string;
  readonly application: string;
  readonly protocol: string;
  readonly addr: string;
  readonly meta?: Meta;
  readonly weight?: number;
  readonly version?: string;
  readonly location?: Location;
  readonly status?: InstanceStatus;
  readonly reason?: string;
  /** Stays until it is deregistered, whatever becomes of the session that wrote it. */
  readonly persistent?: boolean;
}

export interface KeyBody {
  readonly namespace?: string;
  readonly application: string;
  readonly protocol: string;
  readonly addr: string;
}

/** `provider` and `application` are one field under two names; exactly one is given. */
export interface SelectorBody {
  readonly namespace?: string;
  readonly provider?: string;
  readonly application?: string;
  readonly protocol?: string;
  readonly meta?: Meta;
}

/** An instance as consumers see it. Absent fields have their default. */
export interface Endpoint {
  readonly namespace: string;
  readonly application: string;
  readonly protocol: string;
  readonly addr: string;
  readonly meta: Meta;
  readonly weight: number;
  readonly version?: string;
  readonly location?: Location;
  readonly status: InstanceStatus;
  readonly reason?: string;
  /** The owner; null for a persistent instance. */
  readonly session: string | null;
  readonly createdRevision: number;
  readonly modifiedRevision: number;
  readonly createdAtMs: number;
  readonly modifiedAtMs: number;
}

export interface SessionBody {
  /** 32 hex digits. */
  readonly id: string;
  readonly secret: string;
  /** Counts up with every connection of the session. */
  readonly attach: number;
}

export type ReadBody =
  | "linearizable"
  | { readonly atLeast: number }
  | { readonly staleMs: number | null };

// From the client.

export interface Hello {
  readonly type: "hello";
  /** Protocol versions that the client speaks. */
  readonly versions: readonly number[];
  readonly client: { readonly name: string; readonly version: string; readonly language: string };
  readonly session?: SessionBody;
  readonly token?: string;
  /** The highest revision seen, and the lineage that it belongs to. */
  readonly revision?: number;
  readonly lineage?: string;
}

interface Request {
  readonly id: number;
  /** Default 5,000, at most 60,000. */
  readonly timeoutMs?: number;
}

/** Opens the session; number 0 of its sequence. Idempotent. */
export interface Open extends Request {
  readonly type: "open";
  readonly session: SessionBody;
  readonly ttlMs?: number;
  readonly graceMs?: number;
}

/** `seq`: the number of the write in its session. `low`: the lowest one still unanswered. */
interface Write extends Request {
  readonly seq: number;
  readonly low: number;
}

/** One instance inline, or many in `instances`; all or none. */
export type RegisterMessage = Write & { readonly type: "register" } & (
    | RegisterBody
    | { readonly instances: readonly RegisterBody[] }
  );

export interface UpdateMessage extends Write {
  readonly type: "update";
  readonly key: KeyBody;
  /** null clears `version`, `location` and `reason`. */
  readonly set: {
    readonly meta?: Meta;
    readonly weight?: number;
    readonly version?: string | null;
    readonly location?: Location | null;
    readonly status?: InstanceStatus;
    readonly reason?: string | null;
  };
  readonly ifRevision?: number;
}

export type DeregisterMessage = Write & { readonly type: "deregister" } & (
    | KeyBody
    | { readonly keys: readonly KeyBody[] }
  );

export interface Bye extends Write {
  readonly type: "bye";
}

export interface Get extends Request {
  readonly type: "get";
  readonly selector: SelectorBody;
  /** Default `linearizable`. */
  readonly read?: ReadBody;
}

/** Answered with the numbers of the watches, in the order of the list. */
export interface Subscribe extends Request {
  readonly type: "subscribe";
  readonly subscribes: readonly SelectorBody[];
  /** Resume after this revision of the welcome's lineage. */
  readonly from?: number;
  /** Default `delta`. */
  readonly mode?: "delta" | "full";
  /** Default false: wait where the node cannot tell how old its copy is. */
  readonly allowUnknownAge?: boolean;
}

export interface Unsubscribe extends Request {
  readonly type: "unsubscribe";
  readonly watch: number;
}

/** All up to `revision` has reached the application. No answer. */
export interface Ack {
  readonly type: "ack";
  readonly revision: number;
}

/** Keeps the session of this connection; answered by `pong`. */
export interface Ping {
  readonly type: "ping";
  readonly id: number;
}

export type ClientMessage =
  | Hello
  | Open
  | RegisterMessage
  | UpdateMessage
  | DeregisterMessage
  | Bye
  | Get
  | Subscribe
  | Unsubscribe
  | Ack
  | Ping;

// From the node.

export interface MemberBody {
  readonly name: string;
  /** The member's identity, 16 hex digits. */
  readonly id: string;
  /** `host:port` for clients. */
  readonly address: string;
}

export interface Welcome {
  readonly type: "welcome";
  readonly protocol: number;
  /** The name of the node that answers. */
  readonly node: string;
  readonly leader: string | null;
  readonly members: readonly MemberBody[];
  /** Cluster id and epoch: revisions mean something within one lineage only. */
  readonly lineage: string;
  readonly revision: number;
  readonly limits: {
    readonly frameBytesMax: number;
    readonly requestsInFlightMax: number;
    readonly ttlMsMin: number;
    readonly ttlMsMax: number;
  };
}

export type SessionMessage = { readonly type: "session"; readonly id: string } & (
  | { readonly state: "unconfirmed" }
  | {
      readonly state: "resumed";
      /** Instances that the session owns, and the revision of the last change to them. */
      readonly owned: number;
      readonly ownedRevision: number;
      /** The highest number of the session that was applied. */
      readonly lastSeq: number;
      readonly revision: number;
    }
  | { readonly state: "expired"; readonly reason: EndReason | "unknown"; readonly revision: number }
  /** `attach`: the secret is right, but the session has the connection of this number. */
  | { readonly state: "denied"; readonly attach?: number }
);

export interface ErrorBody {
  readonly code: ErrorCode;
  readonly message: string;
  readonly field?: string;
  readonly limit?: number;
  readonly retryAfterMs?: number;
}

export type ReplyMessage = { readonly type: "reply"; readonly id: number } & (
  | {
      readonly ok: true;
      readonly revision: number;
      /** Of a read: how old the answer may be; absent where the node cannot tell. */
      readonly ageMs?: number;
      readonly endpoints?: readonly Endpoint[];
      readonly watches?: readonly number[];
    }
  | { readonly ok: false; readonly revision?: number; readonly error: ErrorBody }
);

export interface SnapshotMessage {
  readonly type: "snapshot";
  readonly watch: number;
  readonly revision: number;
  readonly endpoints: readonly Endpoint[];
  /** What the client held is void. */
  readonly reset?: boolean;
  /** Absent where the node cannot tell how old its copy is. */
  readonly ageMs?: number;
}

export interface DeltaMessage {
  readonly type: "delta";
  readonly watch: number;
  readonly revision: number;
  readonly put: readonly Endpoint[];
  readonly remove: readonly KeyBody[];
  /** Stands for all changes of (from, revision]; a place to resume from only where `last`. */
  readonly collapsed?: { readonly from: number; readonly last: boolean };
}

export interface Mark {
  readonly type: "mark";
  readonly revision: number;
}

export interface Pong {
  readonly type: "pong";
  readonly id: number;
  /** Of a session: the leader had this sign of life. False without one. */
  readonly confirmed: boolean;
  readonly revision: number;
  /** How old the node's copy may be; absent where it cannot tell. */
  readonly leaderAgeMs?: number;
  /**
   * Of a confirmed session: as in `resumed`, once all that was answered before is applied. So a
   * provider notices within a third of its TTL that another removed or took what it owns.
   */
  readonly owned?: number;
  readonly ownedRevision?: number;
}

export interface GoAway {
  readonly type: "goaway";
  readonly reason: string;
  /** Other nodes to go to. */
  readonly addresses: readonly string[];
  /** Leave at a random moment within this time. */
  readonly spreadMs: number;
}

export type NodeMessage =
  | Welcome
  | SessionMessage
  | ReplyMessage
  | SnapshotMessage
  | DeltaMessage
  | Mark
  | Pong
  | GoAway;

// Plain mode: no subprotocol, no `type`, no numbers.

export interface PlainUnregister {
  readonly unregister: KeyBody;
}

export interface PlainSubscribe {
  readonly subscribes: readonly SelectorBody[];
}

export type PlainRequest = RegisterBody | PlainUnregister | PlainSubscribe;

export type PlainAnswer =
  | { readonly ok: true; readonly version: string }
  | { readonly ok: false; readonly error: ErrorBody };

export interface PlainPush {
  readonly version: string;
  /** The position in the list of `subscribes`. */
  readonly watch: number;
  /** The node has heard no leader since its start, and cannot tell how old this list is. */
  readonly ageUnknown?: true;
  readonly endpoints: readonly Endpoint[];
}

// Between nodes: the first frame each way of a peer link. Later ones are `PeerMessage`s.

export interface PeerHello {
  readonly type: "peerHello";
  readonly protocol: number;
  readonly name: string;
  readonly incarnation: string;
  /** `host:port` at which this node serves clients. */
  readonly advertise: string;
  /** Null while the directory is fresh. */
  readonly cluster: PeerCluster | null;
  /** The latest log index as of which this node knows itself to be a member; 0 while fresh. */
  readonly memberAsOf: number;
  /**
   * Every name of this fresh node's list, sorted, with the incarnation that it has heard it answer
   * with; empty text for one that it has not heard. Empty once the cluster is born, and of one that
   * is to join a cluster.
   */
  readonly view: readonly PeerIdentity[];
}

export interface PeerIdentity {
  readonly name: string;
  readonly incarnation: string;
}

export interface PeerCluster {
  readonly clusterId: string;
  readonly epoch: number;
  readonly members: readonly PeerIdentity[];
}

export interface PeerRefused {
  readonly type: "peerRefused";
  readonly code: ErrorCode;
  readonly message: string;
  /** With REMOVED: the committed log index as of which the node that asked is no member. */
  readonly asOf?: number;
  /** With DENIED: the cluster of the node that asked has gone on in this epoch, a later one. */
  readonly epoch?: number;
}

export type PeerAnswer = (Omit<PeerHello, "type"> & { readonly type: "peerWelcome" }) | PeerRefused;
