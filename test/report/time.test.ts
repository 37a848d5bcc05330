import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Row } from "../../jepsen-lite/report/spans.ts";
import {
  bucketAt,
  bucketsOf,
  durationOf,
  momentOf,
  timeTicks,
  valueTicks,
} from "../../jepsen-lite/report/time.ts";

const ends = fc.double({ min: 1_000, max: 200_000_000, noNaN: true });

describe("columns of time", () => {
  test("are few, cover all of it, and have a place for every moment", () => {
    fc.assert(
      fc.property(ends, fc.double({ min: 0, max: 1, noNaN: true }), (endMs, part) => {
        const buckets = bucketsOf(endMs);
        expect(buckets.count).toBeLessThanOrEqual(480);
        expect(buckets.count * buckets.widthMs).toBeGreaterThanOrEqual(endMs);
        const at = bucketAt(buckets, endMs * part);
        expect(at * buckets.widthMs).toBeLessThanOrEqual(endMs * part);
        expect(at).toBeLessThan(buckets.count);
      }),
    );
  });

  test("are as fine as they can be", () => {
    expect(bucketsOf(5_000).widthMs).toBe(100);
    expect(bucketsOf(60_000).widthMs).toBe(200);
    expect(bucketsOf(3_600_000).widthMs).toBe(10_000);
  });
});

describe("ticks", () => {
  test("of time are round, from 0, and not more than asked for", () => {
    fc.assert(
      fc.property(ends, fc.integer({ min: 4, max: 160 }), (endMs, countMax) => {
        const ticks = timeTicks(endMs, countMax);
        expect(ticks.length).toBeLessThanOrEqual(countMax + 1);
        expect(ticks[0]).toBe(0);
        expect(ticks.at(-1)).toBeLessThanOrEqual(endMs);
      }),
    );
    expect(timeTicks(47_000, 10)).toEqual([
      0, 5_000, 10_000, 15_000, 20_000, 25_000, 30_000, 35_000, 40_000, 45_000,
    ]);
  });

  test("of values reach up to the highest, in steps of 1, 2 or 5", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10_000_000 }), (max) => {
        const ticks = valueTicks(max, 4);
        expect(ticks.length).toBeLessThanOrEqual(6);
        expect(ticks.at(-1)).toBeGreaterThanOrEqual(max);
        expect(String(ticks[1])).toMatch(/^[125]0*$/);
      }),
    );
    expect(valueTicks(6_321, 4)).toEqual([0, 2_000, 4_000, 6_000, 8_000]);
  });
});

test("moments and durations are said in the unit that fits", () => {
  expect([0, 9_347, 119_960, 120_000, 3_605_500].map(momentOf)).toEqual([
    ...["0 s", "9.3 s", "120 s", "2:00", "60:05.5"],
  ]);
  expect([0.42, 12.4, 999, 1_300].map(durationOf)).toEqual(["0.4 ms", "12 ms", "999 ms", "1.3 s"]);
});

describe("a row of states", () => {
  test("joins what is the same, and ends with the run", () => {
    const row = new Row<"a" | "b">(1_000);
    for (const [state, atMs] of [
      ["a", 0],
      ["a", 100],
      [null, 200],
      ["b", 300],
      ["a", 600],
    ] as const) {
      row.become(state, atMs);
    }
    expect(row.spans).toEqual([
      { state: "a", fromMs: 0, toMs: 200 },
      { state: "b", fromMs: 300, toMs: 600 },
      { state: "a", fromMs: 600, toMs: 1_000 },
    ]);
  });

  test("keeps no more than can be seen, and the last of what cannot", () => {
    const row = new Row<"a" | "b">(1_200_000);
    for (let i = 0; i < 100_000; i += 1) row.become(i % 2 === 0 ? "a" : "b", i * 12);
    expect(row.spans.length).toBeLessThanOrEqual(1_201);
    expect(row.spans.at(-1)).toMatchObject({ state: "b", toMs: 1_200_000 });
  });
});
