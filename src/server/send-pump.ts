import { performance } from "node:perf_hooks";
import type { Clock, Timers } from "../env/env.ts";
import { SLICE_MS_MAX } from "../limits.ts";

/** Something with frames to write. */
export interface Sender {
  /** Writes one frame of what waits. False when there is no more, or it has to wait itself. */
  sendFrame(): boolean;
}

/**
 * Writes to connections in slices: 5,000 sends in one turn keep a node from its peers' heartbeats
 * for 74 to 200 ms. Between two slices the loop looks at the sockets once.
 */
export class SendPump {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #onSlice: (seconds: number) => void;
  readonly #waiting = new Set<Sender>();
  #isScheduled = false;
  /** The last slice took its whole time; what is left has to wait for the next. */
  #isOverTime = false;
  #isStopped = false;

  /** `onSlice` is told how long each slice took. */
  constructor(clock: Clock, timers: Timers, onSlice: (seconds: number) => void) {
    this.#clock = clock;
    this.#timers = timers;
    this.#onSlice = onSlice;
  }

  /** It has something; it is asked within this turn or one of the next. */
  add(sender: Sender): void {
    this.#waiting.add(sender);
    this.#schedule();
  }

  remove(sender: Sender): void {
    this.#waiting.delete(sender);
  }

  /** Not a byte more. */
  stop(): void {
    this.#isStopped = true;
    this.#waiting.clear();
  }

  /** A turn's outputs are all added: writes them now rather than in the next turn. */
  run(): void {
    if (!this.#isOverTime) {
      this.#slice();
    }
  }

  #schedule(): void {
    if (!this.#isScheduled) {
      this.#isScheduled = true;
      this.#timers.soon(() => {
        this.#isScheduled = false;
        this.#slice();
      });
    }
  }

  #slice(): void {
    if (this.#isStopped || this.#waiting.size === 0) {
      return;
    }
    const startedMs = performance.now();
    this.#isOverTime = false;
    const endMs = this.#clock.monotonicMs() + SLICE_MS_MAX;
    for (const sender of this.#waiting) {
      this.#waiting.delete(sender);
      if (sender.sendFrame()) {
        // Behind the others: a long stream to one does not hold up the rest.
        this.#waiting.add(sender);
      }
      if (this.#clock.monotonicMs() >= endMs) {
        break;
      }
    }
    this.#onSlice((performance.now() - startedMs) / 1000);
    if (this.#waiting.size > 0) {
      this.#isOverTime = true;
      this.#schedule();
    }
  }
}
