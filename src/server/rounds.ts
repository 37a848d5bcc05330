import type { Random, Timer, Timers } from "../env/env.ts";
import { PEER_REDIAL_MS_MIN } from "../limits.ts";
import { deferred, handled } from "../util/deferred.ts";

/**
 * Rounds of questions to other nodes, until one of them has come to something. Between two there is
 * a pause of random length, so that nodes which ask each other do not go in step.
 */
export class Rounds {
  readonly #timers: Timers;
  readonly #random: Random;
  readonly #pauseMsMax: number;
  readonly #stopped = deferred<null>();
  #pausing: Timer | null = null;
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
    this.#pausing?.cancel();
    this.#stopped.resolve(null);
  }

  /**
   * What a round has come to. Null as soon as it is stopped, whatever an answer is waited for: then
   * it is as if the process had crashed, and the next start asks again. Rejects as `round` does.
   */
  until<Result>(round: () => Promise<Result | null>): Promise<Result | null> {
    return Promise.race([this.#stopped.promise, handled(this.#repeat(round))]);
  }

  async #repeat<Result>(round: () => Promise<Result | null>): Promise<Result | null> {
    while (!this.#isStopped) {
      const result = await round();
      if (result !== null || this.#isStopped) {
        return this.#isStopped ? null : result;
      }
      await this.#pause();
    }
    return null;
  }

  #pause(): Promise<void> {
    const { promise, resolve } = deferred<void>();
    const spread = this.#random.below(this.#pauseMsMax - PEER_REDIAL_MS_MIN);
    this.#pausing = this.#timers.after(PEER_REDIAL_MS_MIN + spread, resolve);
    return promise;
  }
}
