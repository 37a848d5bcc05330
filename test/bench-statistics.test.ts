import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { median, pairedRatio, percentile, spread } from "./bench/statistics.ts";

describe("the statistics of the benchmark", () => {
  test("the median is the middle value, or the mean of the middle two", () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([10, 2, 4, 100])).toBe(7);
    expect(median([3])).toBe(3);
  });

  test("numbers are ordered as numbers, not as text", () => {
    expect(median([10, 9, 100])).toBe(10);
    expect(percentile([10, 9, 100], 50)).toBe(10);
  });

  test("a percentile is the nearest rank, one of the values", () => {
    const hundred = Array.from({ length: 100 }, (_, i) => 100 - i);
    expect(percentile(hundred, 50)).toBe(50);
    expect(percentile(hundred, 99)).toBe(99);
    expect(percentile(hundred, 100)).toBe(100);
    expect(percentile([7], 99)).toBe(7);
  });

  test("at least that share of the values is not above a percentile, and it is the least such", () => {
    const values = fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(values, fc.integer({ min: 1, max: 100 }), (all, percent) => {
        const found = percentile(all, percent);
        const enough = (bound: number): boolean =>
          all.filter((value) => value <= bound).length * 100 >= percent * all.length;
        expect(all).toContain(found);
        expect(enough(found)).toBe(true);
        expect(all.filter((value) => value < found).some(enough)).toBe(false);
      }),
    );
  });

  test("a paired ratio is the median of the ratios, not the ratio of the medians", () => {
    // The machine was twice as fast in the last pair; each pair by itself says one half.
    const pairs = [
      [10, 20],
      [11, 22],
      [40, 80],
    ] as const;
    expect(pairedRatio(pairs)).toEqual({ median: 0.5, min: 0.5, max: 0.5 });
    // Medians: 20 to 30. Ratios: 1, 2/3, 1/2.
    expect(
      pairedRatio([
        [10, 10],
        [20, 30],
        [30, 60],
      ]).median,
    ).toBeCloseTo(2 / 3);
    expect(
      pairedRatio([
        [10, 40],
        [20, 20],
        [60, 20],
      ]),
    ).toEqual({ median: 1, min: 0.25, max: 3 });
  });

  test("a spread has its median and its ends", () => {
    expect(spread([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3 });
  });

  test("nothing has neither median nor percentile", () => {
    expect(() => median([])).toThrow(RangeError);
    expect(() => percentile([], 50)).toThrow(RangeError);
  });
});
