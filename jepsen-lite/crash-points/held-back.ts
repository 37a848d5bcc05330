import type { Around } from "./seam.ts";

/** What storages of other systems have done, put in by hand: a campaign has to find each. */
export const FAULTS = {
  /** Entries are acknowledged before they are written. */
  "early-report": /^batch put e$/,
  /** A vote is told before it is written. */
  "early-vote": /^(?:write|sync) vote/,
  /** The mark still claims what a truncation takes away. */
  "mark-ahead": /^(?:write|sync) mark$/,
  /** The pointer names a snapshot whose chunks are not there. */
  "switch-before-chunks": /^batch put s$/,
} as const;

export type Fault = keyof typeof FAULTS;

/**
 * A disk that reports some steps as done and carries them out when it is told to. What is opened
 * before has to be there as it was written, so it begins only when it is told to, too.
 */
export class HeldBack {
  readonly #held: RegExp | null;
  readonly #waiting: (() => Promise<unknown>)[] = [];
  #isHolding = false;

  constructor(fault: Fault | null) {
    this.#held = fault === null ? null : FAULTS[fault];
  }

  around(around: Around): Around {
    return (step, carryOut) =>
      around(step, async () => {
        if (!this.#isHolding || this.#held?.test(step) !== true) return carryOut();
        this.#waiting.push(carryOut);
        return { bytesWritten: 4096 };
      });
  }

  begin(): void {
    this.#isHolding = true;
  }

  async end(): Promise<void> {
    this.#isHolding = false;
    for (const late of this.#waiting.splice(0)) await late();
  }
}
