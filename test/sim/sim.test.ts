import { describe, expect, test } from "vitest";
import { follow, planOf, type RunResult, run } from "../../jepsen-lite/sim/run.ts";
import { shrink } from "../../jepsen-lite/sim/shrink.ts";
import { parseTranscript, transcriptOf } from "../../jepsen-lite/sim/transcript.ts";
import { commitSeed } from "../tooling/commit-seed.ts";

const CHECKERS = [
  "serializable",
  "lost-writes",
  "leases",
  "streams",
  "monotone",
  "exactly-once",
] as const;

const FIXED_SEEDS = 240;
const COMMIT_SEEDS = 60;
const SEEDS_PER_TEST = 30;

/** All of them committed, but for the last, which is refused. */
const CHANGES = [
  "added",
  "promoted",
  "removed",
  "replaced",
  "updated",
  "removedLeaders",
  "tooEarly",
] as const;

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

describe("whole replicas under crash, cut, drop, delay, duplicate, reorder and other members", () => {
  for (let from = 1; from <= FIXED_SEEDS; from += SEEDS_PER_TEST) {
    const seeds = range(from, SEEDS_PER_TEST);
    test(`keep their promises in seeds ${from} to ${from + SEEDS_PER_TEST - 1}`, () => {
      const results = clean(seeds);
      // A row without faults, failovers, installs, changes of members or writes would prove nothing.
      expect(total(results, ({ leaderChanges }) => leaderChanges)).toBeGreaterThan(seeds.length);
      expect(total(results, ({ faults }) => faults.crash)).toBeGreaterThan(seeds.length);
      expect(total(results, ({ faults }) => faults.bridge)).toBeGreaterThan(0);
      expect(total(results, ({ faults }) => faults.fill)).toBeGreaterThan(seeds.length);
      expect(results.filter(({ snapshots }) => snapshots.installed > 0).length).toBeGreaterThan(
        seeds.length / 4,
      );
      for (const kind of CHANGES) {
        expect(
          total(results, ({ changes }) => changes[kind]),
          kind,
        ).toBeGreaterThan(0);
      }
      expect(total(results, ({ returned }) => returned)).toBeGreaterThan(0);
      expect(total(results, ({ acknowledged }) => acknowledged)).toBeGreaterThan(1000);
      expect(total(results, ({ deliveries }) => deliveries)).toBeGreaterThan(1000);
      expect(total(results, ({ reads }) => reads)).toBeGreaterThan(1000);
      for (const checker of CHECKERS) {
        expect(total(results, ({ looked }) => looked[checker])).toBeGreaterThan(0);
      }
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
  test.each([3, 7, 11, 42])("of seed %i is the same twice, to the last message", (seed) => {
    const [once, twice] = [run(seed), run(seed)];
    expect(twice).toEqual(once);
  });

  test.each([4, 5, 6, 8])("of seed %i is the same from the faults that it wrote down", (seed) => {
    const drawn = follow(planOf(seed));
    const listed = follow(parseTranscript(transcriptOf(drawn.plan, drawn.result)));
    expect(listed).toEqual(drawn);
  });

  test("shrinks to the faults that its violation needs, and to their time", () => {
    const { plan, result } = follow(planOf(5));
    const needed = plan.faults?.slice(3, 5) ?? [];
    const broken = { ...result, violation: "Violation: n1 did it at 17" };
    const small = shrink(plan, broken, (smaller) => ({
      ...broken,
      violation: needed.every((fault) => smaller.faults?.includes(fault))
        ? "Violation: n2 did it at 3"
        : null,
    }));
    expect(small.plan.faults).toEqual(needed);
    expect(small.plan.core).toBeNull();
    expect(small.plan.options.safetyMs).toBe(needed[1]?.atMs);
  });

  test("does not shrink to another violation", () => {
    const { plan, result } = follow(planOf(5));
    const broken = { ...result, violation: "Violation: n1 lost a write" };
    const small = shrink(plan, broken, () => ({ ...broken, violation: "Violation: n1 stalls" }));
    expect(small.plan).toEqual(plan);
  });
});
