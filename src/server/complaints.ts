import type { Clock, Logger } from "../env/env.ts";

const WINDOW_MS = 60_000;
const LINES_PER_WINDOW_MAX = 20;
const KNOWN_MAX = 256;

/**
 * What the log says of dials that are refused: each complaint about somebody once, until that one
 * is let in. A node of another cluster dials every second for as long as it runs. And whoever finds
 * ever new ways to be refused gets a bounded number of lines a minute.
 */
export class Complaints {
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #known = new Map<string, Set<string>>();
  #windowEndMs = 0;
  #lines = 0;
  #unsaid = 0;

  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger;
    this.#clock = clock;
  }

  /** `about`: the host that a dial came from, with the name of the peer where it gave one. */
  say(about: string, fields: object, message: string): void {
    if (this.#known.get(about)?.has(message) === true) {
      return;
    }
    const nowMs = this.#clock.monotonicMs();
    if (nowMs >= this.#windowEndMs) {
      this.#windowEndMs = nowMs + WINDOW_MS;
      this.#lines = 0;
    }
    if (this.#lines >= LINES_PER_WINDOW_MAX) {
      this.#unsaid += 1;
      return;
    }
    this.#lines += 1;
    this.#remember(about, message);
    const unsaid = this.#unsaid === 0 ? {} : { unsaid: this.#unsaid };
    this.#unsaid = 0;
    this.#logger.warn({ ...fields, ...unsaid }, message);
  }

  /** It was let in: what it is refused for next is news again. */
  settle(about: string): void {
    this.#known.delete(about);
  }

  #remember(about: string, message: string): void {
    if (this.#known.size >= KNOWN_MAX) {
      this.#known.clear();
    }
    const messages = this.#known.get(about) ?? new Set();
    this.#known.set(about, messages.add(message));
  }
}
