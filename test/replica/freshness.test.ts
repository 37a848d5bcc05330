import { describe, expect, test } from "vitest";
import { ELECTION_TICKS_MAX } from "../../src/limits.ts";
import { Freshness } from "../../src/replica/freshness.ts";

describe("the freshness of a copy", () => {
  test("is unknown at first", () => {
    const freshness = new Freshness(0);
    expect(freshness.state).toBe("starting");
    expect(freshness.ageMs(1_000)).toBeNull();
  });

  test("is proved at once where the commit index is applied already", () => {
    const freshness = new Freshness(0);
    expect(freshness.confirmed({ asOfMs: 900, commitIndex: 5 }, 5)).toBe(true);
    expect(freshness.state).toBe("current");
    expect(freshness.ageMs(1_000)).toBe(100);
  });

  test("waits for the commit index of its proof", () => {
    const freshness = new Freshness(0);
    expect(freshness.confirmed({ asOfMs: 900, commitIndex: 5 }, 4)).toBe(false);
    expect(freshness.ageMs(1_000)).toBeNull();
    expect(freshness.applied(5)).toBe(true);
    expect(freshness.ageMs(1_000)).toBe(100);
  });

  test("is not taken back by an older proof that comes later", () => {
    const freshness = new Freshness(0);
    freshness.confirmed({ asOfMs: 900, commitIndex: 5 }, 5);
    freshness.confirmed({ asOfMs: 700, commitIndex: 4 }, 5);
    expect(freshness.ageMs(1_000)).toBe(100);
  });

  function ticked(freshness: Freshness, leader: string | null, ticks: number): boolean[] {
    return Array.from({ length: ticks }, () => freshness.tick(leader, 0));
  }

  test("says so when it changes, and only then", () => {
    const freshness = new Freshness(0);
    const isChanged = ticked(freshness, null, 2 * ELECTION_TICKS_MAX);
    expect(isChanged.indexOf(true)).toBe(ELECTION_TICKS_MAX - 1);
    expect(isChanged.filter((is) => is)).toHaveLength(1);
    expect(freshness.state).toBe("alone");
    expect(freshness.ageMs(1_000)).toBeNull();
    expect(freshness.confirmed({ asOfMs: 900, commitIndex: 5 }, 5)).toBe(true);
    expect(freshness.confirmed({ asOfMs: 950, commitIndex: 5 }, 5)).toBe(false);
    expect(ticked(freshness, null, 2 * ELECTION_TICKS_MAX)).not.toContain(true);
    expect(freshness.state).toBe("current");
  });

  test("is given up for unknown where a leader is heard that confirms nothing", () => {
    const freshness = new Freshness(0);
    ticked(freshness, null, ELECTION_TICKS_MAX - 1);
    expect(ticked(freshness, "n1", ELECTION_TICKS_MAX)).not.toContain(true);
    expect(ticked(freshness, "n1", 1)).toEqual([true]);
    expect(freshness.state).toBe("alone");
  });

  test("of a node that has joined is none until it was filled up to its own joining", () => {
    const freshness = new Freshness(7);
    const ticks = 3 * ELECTION_TICKS_MAX;
    expect(Array.from({ length: ticks }, () => freshness.tick(null, 6))).not.toContain(true);
    expect(freshness.state).toBe("starting");
    expect(freshness.tick(null, 7)).toBe(true);
    expect(freshness.state).toBe("alone");
  });

  test("is waited for, however long, while a leader confirms what is not applied yet", () => {
    const freshness = new Freshness(0);
    for (let at = 1; at <= 100; at += 1) {
      expect(ticked(freshness, "n1", ELECTION_TICKS_MAX - 1)).not.toContain(true);
      freshness.confirmed({ asOfMs: 100 * at, commitIndex: 10 + at }, 3);
    }
    expect(freshness.state).toBe("starting");
  });

  test("of a node that lags for long is proved as soon as it reaches the oldest proof it keeps", () => {
    const freshness = new Freshness(0);
    for (let at = 1; at <= 1_000; at += 1) {
      freshness.confirmed({ asOfMs: 100 * at, commitIndex: 10 + at }, 3);
    }
    expect(freshness.applied(11)).toBe(true);
    expect(freshness.ageMs(100_000)).toBe(100_000 - 100);
    freshness.applied(1_010);
    expect(freshness.ageMs(100_000)).toBe(0);
  });
});
