import { describe, expect, test } from "vitest";
import { Freshness } from "../../src/replica/freshness.ts";

describe("the freshness of a copy", () => {
  test("is unknown at first", () => {
    const freshness = new Freshness();
    expect(freshness.state).toBe("starting");
    expect(freshness.ageMs(1_000)).toBeNull();
  });

  test("is proved at once where the commit index is applied already", () => {
    const freshness = new Freshness();
    expect(freshness.confirmed({ asOfMs: 900, commitIndex: 5 }, 5)).toBe(true);
    expect(freshness.state).toBe("current");
    expect(freshness.ageMs(1_000)).toBe(100);
  });

  test("waits for the commit index of its proof", () => {
    const freshness = new Freshness();
    expect(freshness.confirmed({ asOfMs: 900, commitIndex: 5 }, 4)).toBe(false);
    expect(freshness.ageMs(1_000)).toBeNull();
    expect(freshness.applied(5)).toBe(true);
    expect(freshness.ageMs(1_000)).toBe(100);
  });

  test("is not taken back by an older proof that comes later", () => {
    const freshness = new Freshness();
    freshness.confirmed({ asOfMs: 900, commitIndex: 5 }, 5);
    freshness.confirmed({ asOfMs: 700, commitIndex: 4 }, 5);
    expect(freshness.ageMs(1_000)).toBe(100);
  });

  test("says so when it changes, and only then", () => {
    const freshness = new Freshness();
    expect(freshness.leaderNotHeard()).toBe(true);
    expect(freshness.leaderNotHeard()).toBe(false);
    expect(freshness.state).toBe("alone");
    expect(freshness.ageMs(1_000)).toBeNull();
    expect(freshness.confirmed({ asOfMs: 900, commitIndex: 5 }, 5)).toBe(true);
    expect(freshness.confirmed({ asOfMs: 950, commitIndex: 5 }, 5)).toBe(false);
    expect(freshness.leaderNotHeard()).toBe(false);
    expect(freshness.state).toBe("current");
  });

  test("of a node that lags for long is proved as soon as it reaches the oldest proof it keeps", () => {
    const freshness = new Freshness();
    for (let at = 1; at <= 1_000; at += 1) {
      freshness.confirmed({ asOfMs: 100 * at, commitIndex: 10 + at }, 3);
    }
    expect(freshness.applied(11)).toBe(true);
    expect(freshness.ageMs(100_000)).toBe(100_000 - 100);
    freshness.applied(1_010);
    expect(freshness.ageMs(100_000)).toBe(0);
  });
});
