import type { Key } from "../history.ts";

/** One promise broken. */
export interface Finding {
  readonly checker: CheckerName;
  /** Its name in docs/consistency.md, or a part of it. */
  readonly promise: string;
  readonly what: string;
  /** Positions in the history of the events that contradict each other. */
  readonly events: readonly number[];
}

/** `unknown`: nothing was found, and there was too little to find anything in. */
export interface Verdict {
  readonly outcome: "kept" | "broken" | "unknown";
  readonly findings: readonly Finding[];
  /** What the checkers had to look at, by name; a count of 0 makes its checker's part unknown. */
  readonly looked: Readonly<Record<LookingName, number>>;
  /** What was allowed to the ends of sessions before they were called late. */
  readonly bounds: readonly LateBound[];
}

/**
 * After its client has left, a session of `ttlMs` may live for the lesser of its TTL and of
 * `closeNoticeMs` and its grace, on a clock that is slow by `driftMax`; and as long again for each
 * change of the leader, which may take `electionMs`; and `expirySlackMs` more, for the steps of the
 * lease clock, the quorum round, the commit, and the pacing of many ends.
 */
export interface LateBound {
  /** How many were judged by it. */
  readonly sessions: number;
  readonly ttlMs: number;
  readonly graceMs: number;
  readonly closeNoticeMs: number;
  readonly driftMax: number;
  readonly leaderChanges: number;
  readonly electionMs: number;
  readonly expirySlackMs: number;
  /** What was left of it, at the least, when one of them ended, or was last seen; null: none was. */
  readonly spareMs: number | null;
}

/** What the referee had to look at, and what it took. */
export interface RefereeCounts {
  /** Keys, their acts, and the steps that it took to place them. */
  readonly keys: number;
  readonly acts: number;
  readonly steps: number;
  /** Keys of which nothing can be said after so many steps. */
  readonly unknown: readonly { readonly key: Key; readonly steps: number }[];
}

/** With what the referee says, whose findings are among the others. */
export interface Judgement extends Verdict {
  readonly referee: RefereeCounts;
  /** Why nothing can be said, or not of everything. */
  readonly doubts: readonly string[];
}

/**
 * Fencing is there only in a world with a lock, and makes no verdict unknown; the referee judges runs
 * of real nodes.
 */
export type CheckerName = LookingName | "fencing" | "referee";

export type LookingName =
  | "serializable"
  | "lost-writes"
  | "leases"
  | "streams"
  | "monotone"
  | "exactly-once";

/** What one checker found, and how much it looked at. */
export interface Part {
  readonly findings: readonly Finding[];
  readonly looked: number;
}
