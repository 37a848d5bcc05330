export type ViolationKind = keyof typeof VIOLATIONS;

/** What can be broken, and what the table of a campaign calls it. */
export const VIOLATIONS = {
  /** An acknowledged write is not there. */
  lost: "lost",
  /** What was refused for good, or what nobody wrote, is there. */
  strange: "refused, but there",
  /** Two leaders in one term. */
  twoLeaders: "terms with two leaders",
  /** A vote was taken back: another one in its term, or none where somebody was elected by it. */
  twoVotes: "votes taken back",
  /** A node does not start with what the fault has left of its disk. */
  refused: "refused starts",
  /** A node ended by itself. */
  ended: "ended by itself",
  /** Nodes that have applied the same do not have the same. */
  diverged: "diverged",
  /** Healed, and yet no leader, no progress, or not everything everywhere. */
  stuck: "stuck",
  /** A session of a provider that lives was ended. */
  expired: "expired",
  /** Something was acknowledged while no disk took anything. */
  undurable: "acknowledged without a disk",
  /** A fault of the disk that a node has to end with, and it did not, or not with code and reason. */
  silent: "silent",
  /** A file was synced once more after a write or sync of it had failed. */
  retried: "synced after a failure",
} as const;

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
