import { assert, must } from "../util/assert.ts";
import { type Digest, type Tombstone, writeTombstone } from "./digest.ts";

/**
 * The last ended sessions, in the order in which they ended. A session gets its tombstone at once
 * when it ends, not when the last of its instances is gone, so their log indexes never go back:
 * that of the oldest one bounds all that were dropped before it.
 */
export class Tombstones {
  readonly #max: number;
  readonly #digest: Digest;
  readonly #bySession = new Map<string, Tombstone>();
  /** A ring once it is full; `#oldest` is the place that is written next. */
  readonly #ring: Tombstone[] = [];
  #oldest = 0;
  #evicted = 0;

  constructor(max: number, digest: Digest) {
    assert(max >= 1, "there is room for a tombstone");
    this.#max = max;
    this.#digest = digest;
  }

  get size(): number {
    return this.#ring.length;
  }

  /** Tombstones ever dropped for newer ones. */
  get evicted(): number {
    return this.#evicted;
  }

  get(session: string): Tombstone | undefined {
    return this.#bySession.get(session);
  }

  /**
   * Whether an opening taken by a node that had applied `appliedIndex` may be a late duplicate of
   * a session whose tombstone is gone. Session X was opened through n1, ended at index 40, and its
   * tombstone was dropped; now a copy of its opening that n2 forwarded long ago comes out of a
   * queue. n2 took it before X ended, so it says less than 40, and the oldest tombstone, being
   * younger than that of X, says at least 40.
   */
  isTooOld(appliedIndex: number): boolean {
    return this.#evicted > 0 && appliedIndex < must(this.#ring[this.#oldest]).index;
  }

  add(tombstone: Tombstone): void {
    if (this.#ring.length < this.#max) {
      this.#ring.push(tombstone);
    } else {
      const oldest = must(this.#ring[this.#oldest]);
      this.#bySession.delete(oldest.session);
      writeTombstone(this.#digest, oldest).remove();
      this.#ring[this.#oldest] = tombstone;
      this.#oldest = (this.#oldest + 1) % this.#max;
      this.#evicted += 1;
    }
    this.#bySession.set(tombstone.session, tombstone);
    writeTombstone(this.#digest, tombstone).add();
  }

  restoreEvicted(evicted: number): void {
    this.#evicted = evicted;
  }

  /** From the oldest on. */
  restore(tombstone: Tombstone): void {
    assert(this.#ring.length < this.#max, "a snapshot has no more tombstones than are kept");
    this.add(tombstone);
  }

  /** Oldest first. */
  *[Symbol.iterator](): IterableIterator<Tombstone> {
    for (let i = 0; i < this.#ring.length; i++) {
      yield must(this.#ring[(this.#oldest + i) % this.#ring.length]);
    }
  }
}
