/** What the load generator can be told to do with its connections. */
export type Work =
  | { readonly kind: "register" }
  | {
      readonly kind: "get";
      readonly read: "linearizable" | "stale";
      /** Instances in the answer. */
      readonly list: number;
    };

/** A cluster as a slice meets it. */
export interface Target {
  /** `ws://host:port` of the node that takes the load. */
  readonly url: string;
  /** Of the nodes' processes, the one that takes the load first. */
  readonly pids: readonly number[];
}

/** One measurement: the same number of requests kept in flight for a fixed time. */
export interface SliceOrder {
  readonly target: Target;
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
  /** Null where the system does not tell (only Linux does). */
  readonly processorUs: ProcessorUs | null;
}

/** Processor time of all threads of a process, in µs an operation. */
export interface ProcessorUs {
  readonly client: number;
  /** Of the node that takes the load. */
  readonly target: number;
  /** Of every other node. */
  readonly others: readonly number[];
}

export type SliceOutcome =
  | { readonly ok: true; readonly figures: SliceFigures }
  | { readonly ok: false; readonly error: string };

/** From the last answer of a slice to the end of its session's removal. */
export const SETTLE_MS_MAX = 10_000;
