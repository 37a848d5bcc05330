import type { Timers } from "../env/env.ts";
import { HTTP_PAGES_WAITING_MAX } from "../limits.ts";

/**
 * Pages that take milliseconds to make get one turn of the loop each, with the sockets of peers and
 * clients looked at in between. Whoever asks for thousands at once is refused, and cannot keep a
 * leader from its heartbeats.
 */
export class PageTurns {
  readonly #timers: Timers;
  readonly #waiting: (() => void)[] = [];

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** Resolves with true when it is this page's turn; with false, at once, where too many wait. */
  next(): Promise<boolean> {
    if (this.#waiting.length >= HTTP_PAGES_WAITING_MAX) {
      return Promise.resolve(false);
    }
    return new Promise((resolve) => {
      this.#waiting.push(() => resolve(true));
      if (this.#waiting.length === 1) {
        this.#timers.soon(() => this.#turn());
      }
    });
  }

  #turn(): void {
    this.#waiting.shift()?.();
    if (this.#waiting.length > 0) {
      this.#timers.soon(() => this.#turn());
    }
  }
}
