import type { Clock, Timer, Timers } from "../env/env.ts";
import { afterPoll } from "./poll.ts";

/**
 * Tells once when an answer has not come within so many milliseconds. Where this process stood
 * still meanwhile it could not have heard it, and the time begins again.
 */
export class Overdue {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #afterMs: number;
  readonly #onOverdue: () => void;
  #timer: Timer | null = null;

  constructor(clock: Clock, timers: Timers, afterMs: number, onOverdue: () => void) {
    this.#clock = clock;
    this.#timers = timers;
    this.#afterMs = afterMs;
    this.#onOverdue = onOverdue;
  }

  start(): void {
    this.stop();
    const startedMs = this.#clock.monotonicMs();
    const timer = this.#timers.after(this.#afterMs, () =>
      afterPoll(this.#timers, () => {
        if (this.#timer !== timer) {
          return;
        }
        if (this.#clock.monotonicMs() - startedMs > 1.5 * this.#afterMs) {
          this.start();
          return;
        }
        this.#timer = null;
        this.#onOverdue();
      }),
    );
    this.#timer = timer;
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }
}
