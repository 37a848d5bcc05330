import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Halves, majorityOf, quorumValue, voteResult } from "../../src/raft/quorum.ts";
import { allOverlap, everybodyOf, isQuorum, subsetsOf } from "./naive-quorums.ts";

const voters = (size: number): string[] => Array.from({ length: size }, (_, at) => `n${at}`);
const sizes = fc.integer({ min: 1, max: 9 });

/** The largest value that more than half have reached, found by asking for every one. */
function naiveQuorumValue(values: readonly number[]): number {
  let best = 0;
  for (let value = 0; value <= Math.max(...values); value++) {
    if (values.filter((reached) => reached >= value).length * 2 > values.length) best = value;
  }
  return best;
}

/** Every way in which those who have not voted could still vote. */
function naiveOutcomes(votes: readonly (boolean | undefined)[]): Set<boolean> {
  const open = votes.indexOf(undefined);
  if (open < 0) return new Set([votes.filter(Boolean).length * 2 > votes.length]);
  const outcomes = [true, false].map((vote) => naiveOutcomes(votes.with(open, vote)));
  return new Set(outcomes.flatMap((outcome) => [...outcome]));
}

describe("quorums", () => {
  test("a quorum value is the largest that more than half have reached", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(12), { minLength: 1, maxLength: 9 }), (values) => {
        const conf = { voters: voters(values.length), votersOutgoing: [] };
        const value = quorumValue(conf, (voter) => values[conf.voters.indexOf(voter)] ?? 0);
        expect(value).toBe(naiveQuorumValue(values));
      }),
    );
  });

  test("an election is decided exactly when no vote still out can change it", () => {
    const votes = fc.array(fc.constantFrom(true, false, undefined), { minLength: 1, maxLength: 7 });
    fc.assert(
      fc.property(votes, (cast) => {
        const conf = { voters: voters(cast.length), votersOutgoing: [] };
        const known = conf.voters.flatMap((voter, at) => {
          const vote = cast[at];
          return vote === undefined ? [] : [[voter, vote] as const];
        });
        const outcomes = naiveOutcomes(cast);
        const expected = outcomes.size === 2 ? "pending" : outcomes.has(true) ? "won" : "lost";
        expect(voteResult(conf, new Map(known))).toBe(expected);
      }),
    );
  });

  test("any two majorities have a member in common, and no smaller sets have to", () => {
    fc.assert(
      fc.property(sizes, (size) => {
        expect(2 * majorityOf(size)).toBeGreaterThan(size);
        expect(2 * (majorityOf(size) - 1)).toBeLessThanOrEqual(size);
      }),
    );
  });

  test("votes of strangers count for nothing", () => {
    const votes = new Map([
      ["n0", true],
      ["stranger", true],
    ]);
    expect(voteResult({ voters: voters(3), votersOutgoing: [] }, votes)).toBe("pending");
  });
});

describe("joint quorums", () => {
  const ids = voters(7);
  const half = (minLength: number) => fc.uniqueArray(fc.constantFrom(...ids), { minLength });
  const joint: fc.Arbitrary<Halves> = fc.record({ voters: half(1), votersOutgoing: half(0) });

  test("a value is reached by some set of members that has a majority of each half", () => {
    const values = fc.array(fc.nat(9), { minLength: ids.length, maxLength: ids.length });
    fc.assert(
      fc.property(joint, values, (conf, reached) => {
        const reachedBy = (id: string) => reached[ids.indexOf(id)] ?? 0;
        const quorums = subsetsOf(everybodyOf(conf)).filter((members) => isQuorum(conf, members));
        const naive = Math.max(
          ...quorums.map((members) => Math.min(...[...members].map(reachedBy))),
        );
        expect(quorumValue(conf, reachedBy)).toBe(naive);
      }),
    );
  });

  test("an election is won by a quorum that has granted, lost when none can any more", () => {
    const cast = fc.array(fc.constantFrom(true, false, undefined), {
      minLength: ids.length,
      maxLength: ids.length,
    });
    fc.assert(
      fc.property(joint, cast, (conf, votes) => {
        const told = (...wanted: (boolean | undefined)[]) =>
          new Set(ids.filter((_, at) => wanted.includes(votes[at])));
        const known = new Map(
          ids.flatMap((id, at) => {
            const vote = votes[at];
            return vote === undefined ? [] : [[id, vote] as const];
          }),
        );
        const canBeWon = isQuorum(conf, told(true, undefined));
        const expected = isQuorum(conf, told(true)) ? "won" : canBeWon ? "pending" : "lost";
        expect(voteResult(conf, known)).toBe(expected);
      }),
    );
  });

  test("they overlap with whatever either half decides alone", () => {
    fc.assert(
      fc.property(half(1), half(1), (now, before) => {
        const both = { voters: now, votersOutgoing: before };
        expect(allOverlap({ voters: before, votersOutgoing: [] }, both)).toBe(true);
        expect(allOverlap(both, { voters: now, votersOutgoing: [] })).toBe(true);
      }),
    );
  });
});
