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
}

/** Fencing is there only in a world with a lock, and makes no verdict unknown. */
export type CheckerName = LookingName | "fencing";

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
