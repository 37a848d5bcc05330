import type { LogIndex } from "../raft/types.ts";
import type { AgeMs } from "./inputs.ts";

/**
 * - `starting`: what is applied may lie far behind what this node has told its clients before;
 *   nothing is served.
 * - `alone`: no leader was heard for an election timeout; what the disk knew to be committed is
 *   applied, and is served to those who accept an unknown age.
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

  get state(): FreshnessState {
    return this.#state;
  }

  ageMs(nowMs: number): AgeMs {
    return this.#asOfMs === null ? null : Math.max(0, nowMs - this.#asOfMs);
  }

  /** No leader for an election timeout since the start. Returns whether the state changed. */
  leaderNotHeard(): boolean {
    if (this.#state !== "starting") {
      return false;
    }
    this.#state = "alone";
    return true;
  }

  confirmed(proof: Proof, lastApplied: LogIndex): boolean {
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
