import type { LogIndex } from "../raft/types.ts";
import type { ReportConfirmed } from "./peer-messages.ts";

/** What a leader has said of report `counter`. */
export interface Verdict {
  readonly counter: number;
  readonly refused: ReadonlySet<string>;
  /** The number by which another connection has each of these. */
  readonly superseded: ReadonlyMap<string, number>;
}

interface Awaited extends Verdict {
  readonly commitIndex: LogIndex;
}

/** What one of them tells, a later one tells too. */
const AWAITED_MAX = 16;

/** Confirmations of reports: one counts once this node has applied the commit index in it. */
export class AwaitedConfirmations {
  #awaited: Awaited[] = [];

  add({ commitIndex, counter, refused, superseded }: ReportConfirmed): void {
    this.#awaited.push({
      commitIndex,
      counter,
      refused: new Set(refused),
      superseded: new Map(superseded.map(({ session, attach }) => [session, attach])),
    });
    if (this.#awaited.length > AWAITED_MAX) {
      this.#awaited.splice(AWAITED_MAX / 2, 1);
    }
  }

  /** In the order in which they came. */
  takeDue(lastApplied: LogIndex): readonly Verdict[] {
    const due = this.#awaited.filter(({ commitIndex }) => commitIndex <= lastApplied);
    if (due.length > 0) {
      this.#awaited = this.#awaited.filter(({ commitIndex }) => commitIndex > lastApplied);
    }
    return due;
  }
}
