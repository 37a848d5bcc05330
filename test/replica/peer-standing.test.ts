import { describe, expect, it } from "vitest";
import { confOf } from "../../src/raft/conf-state.ts";
import {
  type KnownMembers,
  linkedTo,
  memberAsOf,
  standingOf,
} from "../../src/replica/peer-standing.ts";

const conf = (...names: readonly string[]) =>
  confOf(names.map((name) => ({ id: `id-${name}`, name, address: "" })));

/** What is in force, and what is committed, as of index 10. */
function known(inForce: readonly string[], committed: readonly string[]): KnownMembers {
  return { conf: conf(...inForce), committedConf: conf(...committed), commitIndex: 10 };
}

describe("the standing of a peer", () => {
  it.each([
    ["in force and not committed", known(["n1", "n2"], ["n1"]), "member"],
    ["removed by what is not committed", known(["n1"], ["n1", "n2"]), "member"],
  ])("that is %s is that of a member, whatever it knows", (_, members, standing) => {
    expect([0, 10, 99].map((asOf) => standingOf(members, "id-n2", asOf))).toEqual([
      standing,
      standing,
      standing,
    ]);
  });

  it("in neither is a question of who knows more", () => {
    const members = known(["n1"], ["n1"]);
    expect([0, 10, 11].map((asOf) => standingOf(members, "id-n2", asOf))).toEqual([
      "removed",
      "removed",
      "guest",
    ]);
  });

  it("keeps its link until its removal is committed", () => {
    const names = (members: KnownMembers) => linkedTo(members).map(({ name }) => name);
    expect(names(known(["n1"], ["n1", "n2"]))).toEqual(["n1", "n2"]);
    expect(names(known(["n1", "n2"], ["n1"]))).toEqual(["n1", "n2"]);
    expect(names(known(["n1"], ["n1"]))).toEqual(["n1"]);
  });
});

describe("what a node knows of itself", () => {
  it("is its commit index while it is a member as of that, and else when it joined", () => {
    const members = known(["n1"], ["n1"]);
    expect(memberAsOf(members, "id-n1", 0)).toBe(10);
    expect(memberAsOf(members, "id-n2", 0)).toBe(0);
    expect(memberAsOf(members, "id-n2", 25)).toBe(25);
  });

  it("is not less than when it joined, where the log that it reads is of before", () => {
    expect(memberAsOf(known(["n1"], ["n1"]), "id-n1", 25)).toBe(25);
  });
});
