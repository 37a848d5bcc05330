/**
 * The one error table. `definite` says that the request has not happened and will not; an
 * indefinite error may hide a success. `retry` is what a caller can do about it.
 */
export interface ErrorRow {
  readonly definite: boolean;
  readonly retry: "no" | "later" | "elsewhere";
  readonly doc: string;
}

export const ERRORS = {
  INVALID: {
    definite: true,
    retry: "no",
    doc: "A field is missing, unknown, or of the wrong form.",
  },
  TOO_LARGE: {
    definite: true,
    retry: "no",
    doc: "A value, an instance or a frame is over its limit.",
  },
  LIMIT: { definite: true, retry: "no", doc: "A count is over its limit." },
  PROTOCOL: { definite: true, retry: "no", doc: "The frame does not belong here, or not now." },
  VERSION: { definite: true, retry: "no", doc: "No protocol version in common." },
  DENIED: { definite: true, retry: "no", doc: "The origin, the token or the secret was refused." },
  NOT_FOUND: { definite: true, retry: "no", doc: "There is no such instance." },
  CONFLICT: {
    definite: true,
    retry: "no",
    doc: "The instance is not at the compared revision, or is of the other kind.",
  },
  TAKEN_OVER: { definite: true, retry: "no", doc: "A newer session owns this identity." },
  SESSION_EXPIRED: { definite: true, retry: "no", doc: "The session has ended; open a new one." },
  SESSION_UNKNOWN: { definite: true, retry: "no", doc: "No such session, or too old to tell." },
  SEQUENCE_GAP: {
    definite: true,
    retry: "later",
    doc: "An earlier write of the session is missing.",
  },
  NO_LEADER: {
    definite: true,
    retry: "elsewhere",
    doc: "No leader was known before the deadline.",
  },
  TOO_STALE: {
    definite: true,
    retry: "elsewhere",
    doc: "This node's copy is older than the read allows.",
  },
  OVERLOADED: {
    definite: true,
    retry: "later",
    doc: "Too much is waiting; retry after retryAfterMs.",
  },
  DRAINING: { definite: true, retry: "elsewhere", doc: "The node is leaving." },
  DISK_LOW: {
    definite: true,
    retry: "later",
    doc: "The registry is short of disk: it takes no registrations, or no writes at all.",
  },
  ALREADY_BOOTSTRAPPED: {
    definite: true,
    retry: "no",
    doc: "The cluster was born without this directory.",
  },
  REMOVED: {
    definite: true,
    retry: "no",
    doc: "The node was removed from the cluster (between nodes only).",
  },
  TIMEOUT: { definite: false, retry: "later", doc: "No answer before the deadline." },
  LEADER_LOST: {
    definite: false,
    retry: "later",
    doc: "The leader changed while the request was on its way.",
  },
  CONNECTION_LOST: {
    definite: false,
    retry: "elsewhere",
    doc: "The connection broke before the answer.",
  },
  INTERNAL: { definite: false, retry: "later", doc: "A bug in Rollcall; the node's log has more." },
  CLOSED: { definite: true, retry: "no", doc: "The client was closed (SDK only)." },
  NO_INSTANCE: { definite: true, retry: "later", doc: "No instance can be chosen (SDK only)." },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

/** A refusal as a value. `field` is a path such as `meta.idc`; `limit` is the number it broke. */
export interface Refusal {
  readonly code: ErrorCode;
  readonly message: string;
  readonly field?: string;
  readonly limit?: number;
  readonly retryAfterMs?: number;
}

/** Exit codes of a node, and of what is done to its files by the command line. */
export const EXIT = {
  ok: 0,
  failure: 1,
  usage: 2,
  notFound: 3,
  conflict: 4,
  invariant: 70,
  disk: 74,
  divergence: 76,
  configuration: 78,
} as const;
