import type { DialError, Random } from "../env/env.ts";
import { AgeSearch } from "./age-search.ts";
import {
  type Choice,
  chooseServer,
  createPool,
  RefusalRound,
  type ServerPool,
  withMembers,
  withRetryAfter,
  withTry,
} from "./reconnect.ts";

/** The servers that a client knows, and what it has learned by trying them. */
export class Servers {
  readonly #ages = new AgeSearch();
  readonly #refusals: RefusalRound;
  #pool: ServerPool;
  #prefer: readonly string[] = [];
  /** The one that was left last, or that failed last. */
  #avoid: string | null = null;

  /** `ttlMs`: a round of refusals begins no sooner after the one before. */
  constructor(seeds: readonly string[], ttlMs: number, random: Random) {
    this.#pool = createPool(seeds, (bound) => random.below(bound));
    this.#refusals = new RefusalRound(ttlMs);
  }

  get count(): number {
    return this.#pool.length;
  }

  choose(nowMs: number): Choice {
    return chooseServer(this.#pool, { avoid: this.#avoid, prefer: this.#prefer, nowMs });
  }

  tried(url: string): void {
    this.#pool = withTry(this.#pool, url);
  }

  left(url: string): void {
    this.#avoid = url;
  }

  /** `error`: of the dial. A swamped node says in it when it may be asked again. */
  notReached(url: string, error: unknown, nowMs: number): void {
    const retryAfterMs = (error as Partial<DialError> | null)?.retryAfterMs ?? 0;
    if (retryAfterMs > 0) {
      this.#pool = withRetryAfter(this.#pool, url, retryAfterMs, nowMs);
    }
    this.#refusals.add(url, nowMs);
    this.#ages.notReached(url);
  }

  welcomed(members: readonly string[]): void {
    this.#pool = withMembers(this.#pool, members);
    this.#prefer = [];
  }

  /** By a node that wants to be left. */
  recommended(urls: readonly string[]): void {
    this.#pool = withMembers(this.#pool, [...this.#pool.map(({ url }) => url), ...urls]);
    this.#prefer = urls;
  }

  /** It refused what another might not. Returns false where all have, lately. */
  refused(url: string, nowMs: number): boolean {
    this.#refusals.add(url, nowMs);
    return !this.#refusals.isOver(this.#pool);
  }

  /** Whether some node that can be reached knows how old its copy is; null: as before. */
  ageNews(): boolean | null {
    return this.#ages.judge(this.#pool) ? this.#ages.isKnown : null;
  }

  toldAge(url: string, isKnown: boolean): void {
    if (isKnown) {
      this.#ages.toldAge();
    } else {
      this.#ages.toldNoAge(url);
    }
  }

  /** After `toldAge` and `ageNews`: whether to look for a node with an age now. */
  isLeftForAge(url: string): boolean {
    return this.#ages.isLeft(url, this.#pool);
  }
}
