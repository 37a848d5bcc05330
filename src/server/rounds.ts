import type { Random, Timers } from "../env/env.ts";
import { PEER_REDIAL_MS_MIN } from "../limits.ts";
import { deferred } from "../util/deferred.ts";

/**
 * Rounds of questions to other nodes, until one of them has come to something. Between two there is
 * a pause of random length, so that nodes which ask each other do not go in step.
 */
export class Rounds {
  readonly #timers: Timers;
  readonly #random: Random;
  readonly #pauseMsMax: number;
  #isStopped = false;

  constructor(timers: Timers, random: Random, pauseMsMax: number) {
    this.#timers = timers;
    this.#random = random;
    this.#pauseMsMax = pauseMsMax;
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  stop(): void {
    this.#isStopped = true;
  }

  /**
   * What a round has come to. Null where it was stopped before: then it is as if the process had
   * crashed, and the next start asks again. Rejects as `round` does.
   */
  async until<Result>(round: () => Promise<Result | null>): Promise<Result | null> {
    while (!this.#isStopped) {
      const result = await round();
      if (result !== null && !this.#isStopped) {
        return result;
      }
      await this.#pause();
    }
    return null;
  }

  #pause(): Promise<void> {
    const { promise, resolve } = deferred<void>();
    const spread = this.#random.below(this.#pauseMsMax - PEER_REDIAL_MS_MIN);
    this.#timers.after(PEER_REDIAL_MS_MIN + spread, resolve);
    return promise;
  }
}
