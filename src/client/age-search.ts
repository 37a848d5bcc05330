import type { ServerPool } from "./reconnect.ts";

/**
 * The search for a node that knows how old its copy is. n3 was restarted while it was cut off from
 * n1 and n2: it has what its disk knew to be committed, and cannot tell how old that is. Its clients
 * are better off with any node that can, so they leave at once. When every server was tried in vain
 * its copy does, and they go on trying those that could not be reached; but they do not run between
 * several that are like n3.
 */
export class AgeSearch {
  /** Could not tell, and could not be reached, since one last told its age. */
  readonly #ageless = new Set<string>();
  readonly #unreached = new Set<string>();
  #isKnown = true;

  /** False: every server was tried in vain. As of the last `judge`. */
  get isKnown(): boolean {
    return this.#isKnown;
  }

  toldAge(): void {
    this.#ageless.clear();
    this.#unreached.clear();
  }

  toldNoAge(url: string): void {
    this.#ageless.add(url);
  }

  notReached(url: string): void {
    this.#unreached.add(url);
  }

  /** Returns whether `isKnown` has changed. */
  judge(pool: ServerPool): boolean {
    const before = this.#isKnown;
    this.#isKnown = pool.some(({ url }) => !this.#ageless.has(url) && !this.#unreached.has(url));
    return before !== this.#isKnown;
  }

  /** Whether a client of the server at `url`, which has no age, should look for another now. */
  isLeft(url: string, pool: ServerPool): boolean {
    const isOnlyOne = pool.every((server) => server.url === url || !this.#ageless.has(server.url));
    return this.#isKnown || isOnlyOne;
  }
}
