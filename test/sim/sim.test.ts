import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { type RunResult, run } from "../../jepsen-lite/sim/run.ts";

const FIXED_SEEDS = 240;
const COMMIT_SEEDS = 60;
const SEEDS_PER_TEST = 30;

/** New seeds with every commit, the same for everybody who has it; 0 outside a checkout. */
function commitSeed(): number {
  try {
    const head = execFileSync("git", ["rev-parse", "HEAD"], { encoding: "utf8" });
    return Number.parseInt(head.slice(0, 8), 16);
  } catch {
    return 0;
  }
}

function clean(seeds: readonly number[]): RunResult[] {
  return seeds.map((seed) => {
    const result = run(seed);
    expect(result.violation, `seed ${seed}; replay with: npm run sim -- --seed ${seed}`).toBeNull();
    return result;
  });
}

function range(from: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => from + i);
}

function total(results: readonly RunResult[], of: (result: RunResult) => number): number {
  return results.reduce((sum, result) => sum + of(result), 0);
}

describe("whole replicas under crash, drop, delay, duplicate and reorder", () => {
  for (let from = 1; from <= FIXED_SEEDS; from += SEEDS_PER_TEST) {
    const seeds = range(from, SEEDS_PER_TEST);
    test(`keep their promises in seeds ${from} to ${from + SEEDS_PER_TEST - 1}`, () => {
      const results = clean(seeds);
      // A row without faults, failovers or writes would prove nothing.
      expect(total(results, ({ leaderChanges }) => leaderChanges)).toBeGreaterThan(seeds.length);
      expect(total(results, ({ faults }) => faults.crash)).toBeGreaterThan(seeds.length);
      expect(total(results, ({ acknowledged }) => acknowledged)).toBeGreaterThan(1000);
      expect(total(results, ({ deliveries }) => deliveries)).toBeGreaterThan(1000);
      expect(total(results, ({ reads }) => reads)).toBeGreaterThan(1000);
    });
  }

  const first = commitSeed();
  for (let from = 0; from < COMMIT_SEEDS; from += SEEDS_PER_TEST) {
    test(`keep their promises in seeds ${first + from} and on, drawn from the commit`, () => {
      clean(range(first + from, SEEDS_PER_TEST));
    });
  }
});

describe("a run", () => {
  test.each([3, 7, 11, 42])("of seed %i is the same twice, to the last event", (seed) => {
    const [once, twice] = [run(seed), run(seed)];
    expect(twice).toEqual(once);
  });
});
