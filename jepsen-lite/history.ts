/**
 * What the clients of one cluster did and were told: plain data, an event a line, in the order in
 * which it happened. Whoever records stamps an invocation before it is sent and an answer after it
 * has arrived, all by one monotonic clock. Nothing in it is of the product: the recorder translates,
 * and says itself whether an answer is definite.
 *
 * Rules for a recorder, without which the checkers refuse a history:
 * - The cluster is empty at first. All writes are in the history.
 * - Each instance that a write puts has a content that no other write puts anywhere.
 * - A session and a number belong to one operation, however often it is sent.
 * - A process tells every node, when it connects, the highest revision that it has seen.
 * - No session ever owns more instances than one command removes.
 */
export type History = readonly Event[];

export type Event = Setup | ClientEvent | NodeEvent;

/** `namespace/application/protocol/addr`, none of which holds a slash. */
export type Key = string;
/** What an instance says of itself; owner and revisions are no part of it. Compared as a whole. */
export type Content = string;
/** What a selector selects, each key once. */
export type View = readonly (readonly [key: Key, content: Content])[];

export interface Selector {
  readonly namespace: string;
  readonly application: string;
  readonly protocol: string | null;
  readonly meta: readonly (readonly [key: string, value: string])[];
}

/** The first event: what this world promises of itself. */
export interface Setup extends At {
  readonly type: "setup";
  /** The most by which a node's clock runs fast or slow: 0.1 is a tenth. */
  readonly driftMax: number;
  /** After this long at the most, a node knows that a client's end of a connection is closed. */
  readonly closeNoticeMs: number;
  /** From the end of a lease until it shows, at the most, where nothing is disturbed. */
  readonly expirySlackMs: number;
  /** From the loss of a leader until the next one, at the most, where nothing is disturbed; default 0. */
  readonly electionMs?: number;
  /** Whether every revision and every end of a session is in the history, as nodes tell them. */
  readonly hasNodeEvents: boolean;
}

/** An instance as a write asks for it. */
export interface Put {
  readonly key: Key;
  readonly content: Content;
  /** What selectors look at; a part of the content. */
  readonly meta: Selector["meta"];
}

export interface WriteCall {
  readonly kind: "write";
  readonly session: string;
  readonly seq: number;
  readonly puts: readonly Put[];
  readonly removes: readonly Key[];
  /**
   * It changes the one instance that it puts, which has to be there and keeps its owner.
   * `ifRevision`: only where that is the revision of its last change.
   */
  readonly update?: { readonly ifRevision: number | null };
  /** It ends its session, and what that owns goes in the same step. It names no key. */
  readonly isBye?: true;
  /** What it puts belongs to no session, and stays. No key is ever both. */
  readonly isLasting?: true;
}

/** Number 0 of a session. */
export interface OpenCall {
  readonly kind: "open";
  readonly session: string;
  readonly ttlMs: number;
  readonly graceMs: number;
}

/** A keepalive or a resumption on connection `attach`; ok when it was confirmed. */
export interface TouchCall {
  readonly kind: "touch";
  readonly session: string;
  readonly attach: number;
}

export interface ReadCall {
  readonly kind: "read";
  readonly selector: Selector;
  readonly mode:
    | { readonly type: "linearizable" }
    | { readonly type: "atLeast"; readonly revision: number }
    | { readonly type: "stale"; readonly maxAgeMs: number | null };
}

export type Call = WriteCall | OpenCall | TouchCall | ReadCall;

interface At {
  readonly atMs: number;
}

/** `op` is unique in the history. Without a completion an operation is indefinite. */
export interface Invoke extends At {
  readonly type: "invoke";
  readonly op: number;
  readonly process: string;
  readonly call: Call;
}

/** Sent once more, with the same session and number. */
interface Again extends At {
  readonly type: "again";
  readonly op: number;
}

/** A write may be answered more than once, since it may be sent more than once. */
export interface Ok extends At {
  readonly type: "ok";
  readonly op: number;
  /** Of the state that the answer is of; null where it names none. */
  readonly revision: number | null;
  /** Of a read. */
  readonly view?: View;
  /** Of a read: how old the node says that this may be; null where it cannot tell. */
  readonly ageMs?: number | null;
  /** The moment of the recorder's clock that the age leads back to, at the earliest. */
  readonly asOfMs?: number | null;
}

/** It has not happened and will not. */
export interface Fail extends At {
  readonly type: "fail";
  readonly op: number;
  readonly code: string;
  readonly revision: number | null;
}

/** Nobody knows; nobody waits any more. */
interface Info extends At {
  readonly type: "info";
  readonly op: number;
  readonly code: string;
}

/** The client's end of connection `attach` of a session closed, for the node to see. */
interface Closed extends At {
  readonly type: "closed";
  readonly session: string;
  readonly attach: number;
}

/** Its client has gone for good, or has given the session up: no sign of life follows. */
interface Abandoned extends At {
  readonly type: "abandoned";
  readonly session: string;
}

/** A client is told that its session is over; of a revision at or after its end. */
interface ToldEnd extends At {
  readonly type: "toldEnd";
  readonly session: string;
  readonly reason: string;
  readonly revision: number;
}

/** A watch of one connection; a resumption is a stream of its own. */
export interface Subscribe extends At {
  readonly type: "subscribe";
  readonly stream: number;
  readonly process: string;
  readonly selector: Selector;
  /**
   * The revision from which it asks to go on, and its view there; null: from the beginning. Where it
   * has not been at that revision, which may be one that is still to come, the view is null.
   */
  readonly from: { readonly revision: number; readonly view: View | null } | null;
  readonly mode: "delta" | "full";
}

export interface Snapshot extends At {
  readonly type: "snapshot";
  readonly stream: number;
  readonly revision: number;
  readonly view: View;
  readonly isReset: boolean;
}

export interface Delta extends At {
  readonly type: "delta";
  readonly stream: number;
  readonly revision: number;
  readonly put: View;
  readonly remove: readonly Key[];
  /** Stands for all of (from, revision]; only the last of a row of frames is a state. */
  readonly collapsed: { readonly from: number; readonly isLast: boolean } | null;
}

/** The stream has been given all up to `revision`. */
export interface Mark extends At {
  readonly type: "mark";
  readonly stream: number;
  readonly revision: number;
}

/**
 * A resource that knows nothing of the registry was used by a process that holds a lock: with a
 * token, the revision at which it has put the lock. It takes none that is lower than one before.
 */
export interface Fenced extends At {
  readonly type: "fenced";
  readonly process: string;
  readonly token: number;
  readonly isAccepted: boolean;
}

export type StreamEvent = Subscribe | Snapshot | Delta | Mark;

export type ClientEvent =
  | Invoke
  | Again
  | Ok
  | Fail
  | Info
  | Closed
  | Abandoned
  | ToldEnd
  | Fenced
  | StreamEvent;

/** The first node to apply a revision tells what it changed. */
export interface Revision extends At {
  readonly type: "revision";
  readonly revision: number;
  readonly put: View;
  readonly remove: readonly Key[];
}

/** The first node to apply the end of a session tells; of the revision after it. */
interface Ended extends At {
  readonly type: "ended";
  readonly session: string;
  readonly reason: string;
  readonly revision: number;
}

interface Leader extends At {
  readonly type: "leader";
  readonly node: string;
}

/** From here to the end, nothing but clients is disturbed, and every member has caught up. */
interface Calm extends At {
  readonly type: "calm";
}

/** What becomes of a session. */
export type SessionEvent = Closed | Abandoned | ToldEnd | Ended;

/** What nodes and whoever disturbs them tell; a history without any of it can be judged, too. */
export type NodeEvent = Revision | Ended | Leader | Calm;
