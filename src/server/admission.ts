import type { Logger } from "../env/env.ts";
import { DESCRIPTORS_MIN, DESCRIPTORS_RESERVED } from "../limits.ts";
import { configurationError } from "./node-error.ts";

/** Below this part of the limit it counts as over. */
const RELIEF = 0.9;

/**
 * Every connection takes a file descriptor, and a node that has none left cannot open the next file
 * of its log: it would end, with all that it serves. So clients are refused while enough are left
 * for the data directory, and new connections of any kind while enough are left for the links
 * between nodes.
 */
export class Admission {
  /** Of all connections; beyond it they are dropped unheard. */
  readonly connectionsMax: number;
  /** Of all connections; beyond it a client is told to come later. */
  readonly #clientsMax: number;
  readonly #logger: Logger;
  #isFull = false;

  /** Throws a `NodeError` with exit code 78 where a node cannot work with so few. */
  constructor(openFilesMax: number | null, logger: Logger) {
    if (openFilesMax !== null && openFilesMax < DESCRIPTORS_MIN) {
      throw configurationError(
        `this process may open ${openFilesMax} files and connections; a node needs ${DESCRIPTORS_MIN}`,
        `raise the limit, e.g. 'ulimit -n 65536'`,
      );
    }
    const descriptors = openFilesMax ?? Number.POSITIVE_INFINITY;
    this.#clientsMax = descriptors - DESCRIPTORS_RESERVED;
    this.connectionsMax = descriptors - DESCRIPTORS_RESERVED / 2;
    this.#logger = logger;
  }

  /** Why no client is let in; null where one is. `connections`: all there are, its own counted. */
  refusal(connections: number): string | null {
    if (connections > this.#clientsMax) {
      this.full(connections);
      return `OVERLOADED: ${this.#clientsMax} connections, and no more descriptors for clients`;
    }
    if (this.#isFull && connections < RELIEF * this.#clientsMax) {
      this.#isFull = false;
      this.#logger.info({ connections }, "takes clients again");
    }
    return null;
  }

  /** Somebody was refused or dropped; the log says so once, until there is room again. */
  full(connections: number): void {
    if (!this.#isFull) {
      this.#isFull = true;
      const fields = { connections, limit: this.#clientsMax };
      this.#logger.warn(fields, "refuses clients: too many connections (see ulimit -n)");
    }
  }
}
