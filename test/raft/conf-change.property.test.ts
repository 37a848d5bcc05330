import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ConfChange, changedConf, leftJoint } from "../../src/raft/conf-change.ts";
import { checkConf, confOf, isJoint, isSoleVoter } from "../../src/raft/conf-state.ts";
import type { ConfState, MemberId } from "../../src/raft/types.ts";
import { AssertionError } from "../../src/util/assert.ts";
import { named } from "./members.ts";
import { allOverlap } from "./naive-quorums.ts";

const id = fc.constantFrom("n1", "n2", "n3", "n4", "n5", "n6");
const member = fc.record({
  id,
  name: fc.constantFrom("a", "b"),
  address: fc.constantFrom("", "x"),
});
const change: fc.Arbitrary<ConfChange> = fc.oneof(
  fc.record({ type: fc.constantFrom("addLearner" as const, "update" as const), member }),
  fc.record({ type: fc.constantFrom("promote" as const, "remove" as const), id }),
  fc.record({ type: fc.constant("replace" as const), id, by: id }),
);
const born = fc.uniqueArray(id, { minLength: 1, maxLength: 5 });

/** What a change is to come to, as sets of ids; null where it makes no sense. */
function naive(conf: ConfState, asked: ConfChange): [Set<MemberId>, Set<MemberId>] | null {
  const voters = new Set(conf.voters);
  const learners = new Set(conf.learners);
  const isKnown = (one: MemberId) => voters.has(one) || learners.has(one);
  switch (asked.type) {
    case "addLearner":
      if (isKnown(asked.member.id)) return null;
      learners.add(asked.member.id);
      break;
    case "promote":
      if (!learners.delete(asked.id)) return null;
      voters.add(asked.id);
      break;
    case "remove":
      if (!learners.delete(asked.id) && !voters.delete(asked.id)) return null;
      break;
    case "replace":
      if (!voters.delete(asked.id) || !learners.delete(asked.by)) return null;
      voters.add(asked.by);
      break;
    case "update": {
      const { id: one, name, address } = asked.member;
      const known = conf.members.find((other) => other.id === one);
      if (known === undefined || (known.name === name && known.address === address)) return null;
      break;
    }
  }
  return voters.size === 0 ? null : [voters, learners];
}

describe("changes of a configuration", () => {
  test("come to what they are to come to, by steps whose quorums all overlap", () => {
    fc.assert(
      fc.property(born, fc.array(change, { maxLength: 30 }), (ids, asked) => {
        let conf = confOf(ids.map((one) => named(one)));
        for (const one of asked) {
          const expected = naive(conf, one);
          const result = changedConf(conf, one);
          expect(result.ok).toBe(expected !== null);
          if (!result.ok || expected === null) continue;
          checkConf(result.conf);
          expect(allOverlap(conf, result.conf)).toBe(true);
          // Only a change of voters is joint.
          expect(isJoint(result.conf)).toBe(String(result.conf.voters) !== String(conf.voters));
          const last = isJoint(result.conf) ? leftJoint(result.conf) : result.conf;
          checkConf(last);
          expect(allOverlap(result.conf, last)).toBe(true);
          expect([new Set(last.voters), new Set(last.learners)]).toEqual(expected);
          const told = "member" in one ? [one.member] : [];
          for (const known of last.members) {
            const before = [...told, ...conf.members].find((other) => other.id === known.id);
            expect(known).toEqual(before);
          }
          conf = last;
        }
      }),
    );
  });

  test("a joint configuration is left before anything else is changed", () => {
    const conf = confOf([named("n1"), named("n2")]);
    const joint = changedConf(conf, { type: "remove", id: "n2" });
    if (!joint.ok) throw new Error("two members can become one");
    expect(isSoleVoter(joint.conf, "n1")).toBe(false);
    expect(isSoleVoter(leftJoint(joint.conf), "n1")).toBe(true);
    expect(() => changedConf(joint.conf, { type: "remove", id: "n1" })).toThrow(AssertionError);
    expect(() => leftJoint(conf)).toThrow(AssertionError);
  });

  test("what is no configuration stops the node", () => {
    const conf = confOf([named("n2"), named("n1")]);
    expect(conf.voters).toEqual(["n1", "n2"]);
    const broken: Partial<ConfState>[] = [
      { voters: [] },
      { voters: ["n2", "n1"] },
      { voters: ["n1", "n1"] },
      { voters: ["n1", "n2", "n3"] },
      { voters: ["n1"] },
      { learners: ["n2"] },
      { votersOutgoing: ["n3"] },
      { members: [named("n1"), named("n2"), named("n3")] },
    ];
    for (const part of broken) {
      expect(() => checkConf({ ...conf, ...part })).toThrow(AssertionError);
    }
  });
});
