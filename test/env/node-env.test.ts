import { describe, expect, it } from "vitest";
import { nodeClock, nodeRandom, nodeTimers } from "../../src/env/node-env.ts";

describe("the world of Node", () => {
  it("draws integers below any bound up to 2^53", () => {
    for (const bound of [1, 2, 1_000, 2 ** 48 - 1, 2 ** 48, 2 ** 53 - 1]) {
      for (let i = 0; i < 50; i += 1) {
        const drawn = nodeRandom.below(bound);
        expect(Number.isSafeInteger(drawn)).toBe(true);
        expect(drawn).toBeGreaterThanOrEqual(0);
        expect(drawn).toBeLessThan(bound);
      }
    }
  });

  it("tells time in whole milliseconds", () => {
    expect(Number.isInteger(nodeClock.monotonicMs())).toBe(true);
    expect(Number.isInteger(nodeClock.wallMs())).toBe(true);
  });

  it.each([2 ** 31, -1, Number.NaN, 1.5])(
    "refuses a delay of %d, which Node would run at once",
    (delayMs) => {
      expect(() => nodeTimers.after(delayMs, () => {})).toThrow(RangeError);
      expect(() => nodeTimers.every(delayMs, () => {})).toThrow(RangeError);
    },
  );
});
