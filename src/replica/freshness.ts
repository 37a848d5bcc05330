import { ELECTION_TICKS_MAX } from "../limits.ts";
import type { LogIndex, MemberId } from "../raft/types.ts";
import type { AgeMs } from "./inputs.ts";

/**
 * - `starting`: what is applied may lie far behind what this node has told its clients before;
 *   nothing is served.
 * - `alone`: for an election timeout no leader was heard, or none that confirmed anything; what the
 *   disk knew to be committed is applied, and is served to those who accept an unknown age.
 * - `current`: the commit index that a leader confirmed after this start has been applied.
 */
export type FreshnessState = "starting" | "alone" | "current";

interface Proof {
  readonly asOfMs: number;
  readonly commitIndex: LogIndex;
}

/** Confirmations that wait for their commit index to be applied; older ones give way. */
const PROOFS_WAITING_MAX = 16;

/**
 * How old this node's copy is, at most. A proof says: whatever was acknowledged anywhere before
 * `asOfMs` (this node's clock, when it sent the report) has an index up to `commitIndex`.
 */
export class Freshness {
  #state: FreshnessState = "starting";
  #asOfMs: number | null = null;
  #waiting: Proof[] = [];
  #leader: MemberId | null = null;
  readonly #joinedIndex: LogIndex;
  /** While `starting`: since `#leader` was first heard, or has confirmed something. */
  #ticks = 0;

  constructor(joinedIndex: LogIndex) {
    this.#joinedIndex = joinedIndex;
  }

  get state(): FreshnessState {
    return this.#state;
  }

  ageMs(nowMs: number): AgeMs {
    return this.#asOfMs === null ? null : Math.max(0, nowMs - this.#asOfMs);
  }

  /**
   * n3 comes back and hears n1, but nothing that it sends arrives: n1 confirms nothing to it, for
   * as long as that lasts. For n3 this is no better than to hear nobody. While proofs come, it
   * waits to reach them, however long. A node that has joined and was not filled up to there has
   * nothing to serve: its empty registry was never anybody's. Returns whether the state changed.
   */
  tick(leader: MemberId | null, lastApplied: LogIndex): boolean {
    if (this.#state !== "starting") {
      return false;
    }
    this.#ticks = leader === this.#leader ? this.#ticks + 1 : 0;
    this.#leader = leader;
    if (this.#ticks < ELECTION_TICKS_MAX || lastApplied < this.#joinedIndex) {
      return false;
    }
    this.#state = "alone";
    return true;
  }

  confirmed(proof: Proof, lastApplied: LogIndex): boolean {
    this.#ticks = 0;
    this.#waiting.push(proof);
    if (this.#waiting.length > PROOFS_WAITING_MAX) {
      this.#waiting.splice(PROOFS_WAITING_MAX / 2, 1);
    }
    return this.applied(lastApplied);
  }

  /** Returns whether the state changed. */
  applied(lastApplied: LogIndex): boolean {
    if (this.#waiting.length === 0) {
      return false;
    }
    const before = this.#state;
    this.#waiting = this.#waiting.filter((proof) => {
      if (proof.commitIndex > lastApplied) {
        return true;
      }
      this.#asOfMs = Math.max(this.#asOfMs ?? proof.asOfMs, proof.asOfMs);
      this.#state = "current";
      return false;
    });
    return before !== this.#state;
  }
}
