import { LOG_READS_WAITING_MAX } from "../limits.ts";

/**
 * Reads of the log for members that repair theirs are made one after the other, so that however many
 * ask at once, a node holds one page of it in memory, and its disk has one more reader.
 */
export class LogReads {
  /** Never rejects. */
  #last: Promise<unknown> = Promise.resolve();
  /** The one that is being made counted. */
  #count = 0;

  /** What `read` gives when it is its turn; null, at once, where too many wait. */
  async take<Result>(read: () => Promise<Result>): Promise<Result | null> {
    if (this.#count > LOG_READS_WAITING_MAX) return null;
    this.#count += 1;
    const reading = this.#last.then(read).finally(() => {
      this.#count -= 1;
    });
    this.#last = reading.catch(() => {});
    return reading;
  }
}
