/** Pairs sorted by key (code units), each key once: the one canonical form of `meta` inside. */
export type MetaPairs = readonly (readonly [key: string, value: string])[];

export interface Location {
  readonly region?: string;
  readonly zone?: string;
  readonly campus?: string;
}

export type InstanceStatus = "up" | "down" | "draining";

/** Who an instance is: registering the same key again replaces the record. */
export interface InstanceKey {
  readonly namespace: string;
  readonly application: string;
  readonly protocol: string;
  /** `host:port` */
  readonly addr: string;
}

/** What the owner says of an instance; checked and filled with defaults at the edge. */
export interface InstanceContent {
  readonly meta: MetaPairs;
  /** 0 to 1000. */
  readonly weight: number;
  readonly version: string | null;
  readonly location: Location | null;
  readonly status: InstanceStatus;
  /** Why the status is what it is, for people. */
  readonly reason: string | null;
}

export interface InstanceSpec extends InstanceKey, InstanceContent {
  /** True for an instance that no session's end removes. */
  readonly isPersistent: boolean;
}

/** A record of the state. Immutable: a change makes a new one. */
export interface Instance extends InstanceKey, InstanceContent {
  /** The owner's session id, or null for a persistent instance. */
  readonly session: string | null;
  readonly createdRevision: number;
  readonly modifiedRevision: number;
  /** Milliseconds since the epoch by the leader's clock; for people, nothing is decided by them. */
  readonly createdAtMs: number;
  readonly modifiedAtMs: number;
}

/** Matches when namespace and application agree, and protocol and every meta pair where given. */
export interface Selector {
  readonly namespace: string;
  readonly application: string;
  readonly protocol: string | null;
  readonly meta: MetaPairs;
}
