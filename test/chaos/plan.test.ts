import { describe, expect, test } from "vitest";
import { Bag, drawWindow, NEMESES } from "../../jepsen-lite/chaos/plan.ts";
import { Prng } from "../../jepsen-lite/prng.ts";

describe("the plan of a run", () => {
  const drawn = (seed: number, count: number) => {
    const [bag, prng] = [new Bag(NEMESES), new Prng(seed)];
    return Array.from({ length: count }, () => drawWindow(bag, prng));
  };
  const windows = drawn(1, 400);

  test("has each nemesis in it, and windows in which nothing is disturbed", () => {
    const names = windows.flatMap(({ strikes }) => strikes.map(({ nemesis }) => nemesis.name));
    expect(new Set(names)).toEqual(new Set(NEMESES.map(({ name }) => name)));
    const quiet = windows.filter(({ strikes }) => strikes.length === 0).length;
    expect(quiet).toBeGreaterThan(60);
    expect(quiet).toBeLessThan(140);
  });

  test("lets each end within its window, and is the same for a seed", () => {
    for (const { lengthMs, strikes } of windows) {
      for (const { atMs, forMs } of strikes) {
        expect(atMs).toBeGreaterThanOrEqual(0);
        expect(atMs + forMs).toBeLessThanOrEqual(lengthMs);
      }
    }
    expect(drawn(1, 400)).toEqual(windows);
  });

  test("has each of them once before any comes again", () => {
    const names = windows.flatMap(({ strikes }) => strikes.map(({ nemesis }) => nemesis.name));
    // Within a window they stand in the order of their moments.
    const counts = new Map<string, number>();
    for (const name of names) {
      counts.set(name, (counts.get(name) ?? 0) + 1);
      const all = NEMESES.map((nemesis) => counts.get(nemesis.name) ?? 0);
      expect(Math.max(...all) - Math.min(...all)).toBeLessThanOrEqual(2);
    }
  });
});
