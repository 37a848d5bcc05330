/** What the load generator can be told to do with its connections. */
export type Work =
  | { readonly kind: "register" }
  | {
      readonly kind: "get";
      readonly read: "linearizable" | "stale";
      /** Instances in the answer. */
      readonly list: number;
    };

/** One measurement: the same number of requests kept in flight for a fixed time. */
export interface SliceOrder {
  /** `ws://host:port` of the node that takes the load. */
  readonly url: string;
  readonly work: Work;
  /** Of all connections together; a multiple of `connections`. */
  readonly inFlight: number;
  readonly connections: number;
  /** Load without counting, before the slice proper. */
  readonly warmUpMs: number;
  readonly durationMs: number;
}

export interface SliceFigures {
  readonly opsPerSecond: number;
  readonly ops: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export type SliceOutcome =
  | { readonly ok: true; readonly figures: SliceFigures }
  | { readonly ok: false; readonly error: string };

/** From the last answer of a slice to the end of its session's removal. */
export const SETTLE_MS_MAX = 10_000;
