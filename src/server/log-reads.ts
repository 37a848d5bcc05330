import type { Timers } from "../env/env.ts";
import { CALL_TIMEOUT_MS_DEFAULT, LOG_READS_WAITING_MAX } from "../limits.ts";

/** Whoever asks has given up by then (`logQuestions`), and must not keep the others from theirs. */
const HELD_MS_MAX = CALL_TIMEOUT_MS_DEFAULT;

/**
 * Reads of the log for members that repair theirs are made one after the other, so that however many
 * ask at once, a node holds one page of it in memory, and its disk has one more reader. A page is in
 * memory until it was sent, and so long is it the turn of who has asked for it.
 *
 * To look for an entry in the database that was in use before is to read all of that, which takes
 * long. So that has a lane of its own: n2 asks for a snapshot while that is being done for n3.
 */
export class LogReads {
  readonly current: Lane;
  readonly former: Lane;

  constructor(timers: Timers) {
    this.current = new Lane(timers);
    this.former = new Lane(timers);
  }
}

class Lane {
  readonly #timers: Timers;
  #isTaken = false;
  readonly #waiting: (() => void)[] = [];

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /**
   * What `read` gives when it is its turn; null where too many wait, or nobody waits for it any more.
   * `over`: its answer was sent, or who has asked is gone.
   */
  async take<Result>(over: AbortSignal, read: () => Promise<Result>): Promise<Result | null> {
    if (!(await this.#turn(over))) return null;
    try {
      const result = await read();
      this.#hold(over);
      return result;
    } catch (error) {
      this.#pass();
      throw error;
    }
  }

  #turn(over: AbortSignal): Promise<boolean> {
    if (over.aborted) return Promise.resolve(false);
    if (!this.#isTaken) {
      this.#isTaken = true;
      return Promise.resolve(true);
    }
    if (this.#waiting.length === LOG_READS_WAITING_MAX) return Promise.resolve(false);
    return new Promise((resolve) => {
      const go = (): void => {
        over.removeEventListener("abort", leave);
        resolve(true);
      };
      const leave = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(go), 1);
        resolve(false);
      };
      over.addEventListener("abort", leave, { once: true });
      this.#waiting.push(go);
    });
  }

  #hold(over: AbortSignal): void {
    if (over.aborted) {
      this.#pass();
      return;
    }
    const end = (): void => {
      over.removeEventListener("abort", end);
      timer.cancel();
      this.#pass();
    };
    const timer = this.#timers.after(HELD_MS_MAX, end);
    over.addEventListener("abort", end, { once: true });
  }

  #pass(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#isTaken = false;
    else next();
  }
}
