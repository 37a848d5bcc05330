import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { patienceMs } from "../../src/client/keepalive.ts";
import {
  backoffMs,
  chooseServer,
  createPool,
  reconnectDelayMs,
  type ServerPool,
  withMembers,
  withRetryAfter,
  withTry,
} from "../../src/client/reconnect.ts";

const urls = fc.uniqueArray(
  fc.integer({ min: 1, max: 50 }).map((number) => `ws://n${number}:7420`),
  { minLength: 1, maxLength: 9 },
);
/** A source of chance that is replayed from its seed. */
const chance = fc.integer({ min: 1, max: 2 ** 31 - 2 }).map((seed) => {
  let state = seed;
  return (bound: number): number => {
    state = (state * 48_271) % 2_147_483_647;
    return state % bound;
  };
});

describe("when to try again", () => {
  test("the first retry is at once, and every later one within the ceiling of its number", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10_000 }), chance, (attempt, random) => {
        const delayMs = reconnectDelayMs(attempt, random);
        const ceilingMs = attempt === 0 ? 0 : Math.min(2_000, 100 * 2 ** (attempt - 1));
        expect(Number.isInteger(delayMs)).toBe(true);
        expect(delayMs).toBeGreaterThanOrEqual(0);
        expect(delayMs).toBeLessThanOrEqual(ceilingMs);
      }),
    );
  });

  test("the jitter is full: both ends of the range can come", () => {
    for (const attempt of [1, 2, 3, 10, 1_000]) {
      const ceilingMs = Math.min(2_000, 100 * 2 ** (attempt - 1));
      expect(reconnectDelayMs(attempt, () => 0)).toBe(0);
      expect(reconnectDelayMs(attempt, (bound) => bound - 1)).toBe(ceilingMs);
    }
  });

  test("a back-off never exceeds its own bound", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1_000_000 }),
        fc.integer({ min: 1, max: 60_000 }),
        chance,
        (attempt, maxMs, random) => {
          expect(backoffMs(attempt, maxMs, random)).toBeLessThanOrEqual(maxMs);
        },
      ),
    );
  });

  test("patience with an unconfirmed node leaves time for a second one within the TTL", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 3_000, max: 300_000 }),
        fc.integer({ min: 2, max: 9 }),
        fc.integer({ min: 0, max: 100 }),
        (ttlMs, servers, hops) => {
          const first = patienceMs({ ttlMs, servers, hops: 0 });
          const second = patienceMs({ ttlMs, servers, hops: 1 });
          expect(first + second).toBeLessThanOrEqual(ttlMs);
          const later = patienceMs({ ttlMs, servers, hops: hops + 1 });
          expect(later).toBeLessThanOrEqual(Math.max(60_000, ttlMs / 3));
          expect(later).toBeGreaterThanOrEqual(second);
        },
      ),
    );
  });
});

describe("where to try", () => {
  const wishes = { avoid: null, prefer: [], nowMs: 0 };

  test("the pool is the user's list, shuffled, each server once", () => {
    fc.assert(
      fc.property(urls, chance, (list, random) => {
        const pool = createPool([...list, ...list], random);
        expect(pool.map(({ url }) => url).sort()).toEqual([...list].sort());
      }),
    );
  });

  test("as many tries as there are servers reach every one of them", () => {
    fc.assert(
      fc.property(urls, chance, (list, random) => {
        let pool = createPool(list, random);
        const tried = new Set<string>();
        let avoid: string | null = null;
        for (let attempt = 0; attempt < list.length; attempt += 1) {
          const { url } = chooseServer(pool, { ...wishes, avoid });
          tried.add(url);
          pool = withTry(pool, url);
          avoid = url;
        }
        expect(tried.size).toBe(list.length);
      }),
    );
  });

  test("the server just left comes last, unless it is the only one", () => {
    fc.assert(
      fc.property(urls, chance, fc.nat(), (list, random, position) => {
        const avoid = list[position % list.length] as string;
        const { url } = chooseServer(createPool(list, random), { ...wishes, avoid });
        expect(url === avoid).toBe(list.length === 1);
      }),
    );
  });

  test("seeds are never forgotten, members come and go", () => {
    fc.assert(
      fc.property(urls, urls, urls, chance, (seeds, first, second, random) => {
        const pool = withMembers(withMembers(createPool(seeds, random), first), second);
        expect(pool.map(({ url }) => url).sort()).toEqual(
          [...new Set([...seeds, ...second])].sort(),
        );
      }),
    );
  });

  test("a swamped server is asked only when all are, and then after the shortest wait", () => {
    fc.assert(
      fc.property(
        urls,
        chance,
        fc.array(fc.integer({ min: 1, max: 90_000 }), { minLength: 9, maxLength: 9 }),
        fc.nat({ max: 9 }),
        (list, random, waits, swamped) => {
          let pool: ServerPool = createPool(list, random);
          const asked = list.slice(0, swamped);
          for (const [position, url] of asked.entries()) {
            pool = withRetryAfter(pool, url, waits[position] as number, 0);
          }
          const choice = chooseServer(pool, wishes);
          if (asked.length < list.length) {
            expect(asked).not.toContain(choice.url);
            expect(choice.waitMs).toBe(0);
          } else {
            const bounded = asked.map((_url, position) =>
              Math.min(waits[position] as number, 60_000),
            );
            expect(choice.waitMs).toBe(Math.min(...bounded));
          }
        },
      ),
    );
  });
});
