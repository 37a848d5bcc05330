import { describe, expect, test } from "vitest";
import { drawWindow, NEMESES } from "../../jepsen-lite/chaos/plan.ts";
import { Prng } from "../../jepsen-lite/prng.ts";

describe("the plan of a run", () => {
  const windows = Array.from({ length: 400 }, (_, seed) => drawWindow(NEMESES, new Prng(seed)));

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
    expect(drawWindow(NEMESES, new Prng(7))).toEqual(windows[7]);
  });
});
