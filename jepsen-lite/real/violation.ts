export type ViolationKind = (typeof VIOLATIONS)[number];

/** What can be broken, as the table of a campaign counts it. */
export const VIOLATIONS = [
  /** An acknowledged write is not there. */
  "lost",
  /** What was refused for good, or what nobody wrote, is there. */
  "strange",
  /** Two leaders in one term. */
  "twoLeaders",
  /** A vote was taken back: another one in its term, or none where somebody was elected by it. */
  "twoVotes",
  /** A node does not start with what the fault has left of its disk. */
  "refused",
  /** A node ended by itself. */
  "ended",
  /** Nodes that have applied the same do not have the same. */
  "diverged",
  /** Healed, and yet no leader, no progress, or not everything everywhere. */
  "stuck",
] as const;

/** A promise was broken; everything else that is thrown is the harness's own fault. */
export class Violation extends Error {
  override readonly name = "Violation";
  readonly kind: ViolationKind;
  /** How many writes, nodes or terms. */
  readonly count: number;

  constructor(kind: ViolationKind, what: string, count = 1) {
    super(what);
    this.kind = kind;
    this.count = count;
  }
}
