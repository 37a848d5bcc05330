import { RECONNECT_MS_MAX, RECONNECT_MS_MIN } from "../limits.ts";

/**
 * Where to connect next and when. Pure: a pool is a value, chance and time are arguments.
 */
export interface Server {
  readonly url: string;
  /** Named by the user: never forgotten. Others are members that a welcome named. */
  readonly isSeed: boolean;
  /** Counts tries over the whole pool; 0 was never tried. */
  readonly triedAt: number;
  /** A swamped node said Retry-After. */
  readonly notBeforeMs: number;
}

export type ServerPool = readonly Server[];

export interface Choice {
  readonly url: string;
  /** Until the server may be asked again; mostly 0. */
  readonly waitMs: number;
}

type RandomBelow = (bound: number) => number;

/** A Retry-After beyond this is a mistake rather than a wish. */
const RETRY_AFTER_MS_MAX = 60_000;

/** Shuffled, so that the first server of everybody's list does not get everybody. */
export function createPool(seeds: readonly string[], random: RandomBelow): ServerPool {
  const urls = [...new Set(seeds)];
  for (let last = urls.length - 1; last > 0; last -= 1) {
    const other = random(last + 1);
    [urls[last], urls[other]] = [urls[other] as string, urls[last] as string];
  }
  return urls.map((url) => ({ url, isSeed: true, triedAt: 0, notBeforeMs: 0 }));
}

/** The pool once a welcome has named the members: seeds stay, members that left go. */
export function withMembers(pool: ServerPool, members: readonly string[]): ServerPool {
  const named = new Set(members);
  const kept = pool.filter((server) => server.isSeed || named.has(server.url));
  const known = new Set(kept.map((server) => server.url));
  const added = [...named].filter((url) => !known.has(url));
  return [...kept, ...added.map((url) => ({ url, isSeed: false, triedAt: 0, notBeforeMs: 0 }))];
}

export function withTry(pool: ServerPool, url: string): ServerPool {
  const serial = 1 + pool.reduce((most, server) => Math.max(most, server.triedAt), 0);
  return pool.map((server) => (server.url === url ? { ...server, triedAt: serial } : server));
}

export function withRetryAfter(
  pool: ServerPool,
  url: string,
  retryAfterMs: number,
  nowMs: number,
): ServerPool {
  const notBeforeMs = nowMs + Math.min(retryAfterMs, RETRY_AFTER_MS_MAX);
  return pool.map((server) => (server.url === url ? { ...server, notBeforeMs } : server));
}

export interface Wishes {
  /** The server just left: any other comes first. */
  readonly avoid: string | null;
  /** Servers that a goaway recommends. */
  readonly prefer: readonly string[];
  readonly nowMs: number;
}

/** The pool is never empty. Of equals, the one that was tried longest ago. */
export function chooseServer(pool: ServerPool, wishes: Wishes): Choice {
  const rank = (server: Server): readonly number[] => [
    Math.max(0, server.notBeforeMs - wishes.nowMs),
    server.url === wishes.avoid ? 1 : 0,
    wishes.prefer.includes(server.url) ? 0 : 1,
    server.triedAt,
  ];
  let best: { server: Server; rank: readonly number[] } | null = null;
  for (const server of pool) {
    const own = rank(server);
    if (best === null || isBefore(own, best.rank)) {
      best = { server, rank: own };
    }
  }
  if (best === null) {
    throw new RangeError("a pool has at least one server");
  }
  return { url: best.server.url, waitMs: best.rank[0] ?? 0 };
}

/**
 * Servers that refused what another might not have refused. One round over all of them, and no
 * second one for a while: a read that no node can serve must not send its client round and round.
 */
export class RefusalRound {
  readonly #lastsMs: number;
  #beganMs = Number.NEGATIVE_INFINITY;
  #urls = new Set<string>();

  constructor(lastsMs: number) {
    this.#lastsMs = lastsMs;
  }

  add(url: string, nowMs: number): void {
    if (nowMs - this.#beganMs >= this.#lastsMs) {
      this.#beganMs = nowMs;
      this.#urls = new Set();
    }
    this.#urls.add(url);
  }

  isOver(pool: ServerPool): boolean {
    return pool.every((server) => this.#urls.has(server.url));
  }
}

/**
 * Full jitter: try 0 at once, then anywhere in [0, 100 ms], [0, 200 ms] … up to [0, 2 s], for ever.
 */
export function reconnectDelayMs(attempt: number, random: RandomBelow): number {
  if (attempt === 0) {
    return 0;
  }
  return random(backoffCeilingMs(attempt, RECONNECT_MS_MAX) + 1);
}

/** The same curve with a bound of its own. `attempt` counts from 1. */
export function backoffMs(attempt: number, maxMs: number, random: RandomBelow): number {
  return random(backoffCeilingMs(attempt, maxMs) + 1);
}

function backoffCeilingMs(attempt: number, maxMs: number): number {
  return Math.min(maxMs, RECONNECT_MS_MIN * 2 ** Math.min(Math.max(attempt - 1, 0), 20));
}

function isBefore(a: readonly number[], b: readonly number[]): boolean {
  for (const [position, value] of a.entries()) {
    const other = b[position] ?? 0;
    if (value !== other) {
      return value < other;
    }
  }
  return false;
}
