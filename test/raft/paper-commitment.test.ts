import { describe, expect, test } from "vitest";
import { Cluster, dataOf } from "./cluster.ts";
import { append, leaderOver, memberOf, ofTerm, only, termsOf, told } from "./conversation.ts";

describe("§5.4.2 committing entries from previous terms", () => {
  test("Figure 8: an old entry on a majority is not committed before one of the leader's own", () => {
    const member = leaderOver([1, 2]);
    expect([member.up.term, member.up.lastIndex]).toEqual([3, 3]);
    member.settle();
    member.up.step(told({ type: "appendEntriesResponse", term: 3, success: true, matchIndex: 2 }));
    expect([member.up.commitIndex, member.up.isLeaderReady]).toEqual([0, false]);
    member.up.step(told({ type: "appendEntriesResponse", term: 3, success: true, matchIndex: 3 }));
    expect([member.up.commitIndex, member.up.isLeaderReady]).toEqual([3, true]);
    member.settle();
    expect(member.committed.map(({ term }) => term)).toEqual([1, 2, 3]);
  });

  test("Figure 8, played: what was only counted may be overwritten, so it was not committed", () => {
    const cluster = Cluster.of(5, [[1, 2], [1, 2], [1], [1], [1, 3]]);
    const [s1] = cluster.members;
    cluster.raft("n1").step(ofTerm(3));
    // n1 brings its entry of term 2 to n3, and nothing newer to anybody.
    cluster.passes = ({ from, to, ...message }) =>
      !(from === "n5" || to === "n5") &&
      !(message.type === "appendEntries" && (message.entries.at(-1)?.term ?? 0) > 2);
    cluster.elect("n1");
    cluster.raft("n1").propose("commands", dataOf(1));
    cluster.settle();
    expect(s1?.up.commitIndex).toBe(0);
    s1?.crash("nothing");
    cluster.heal();
    cluster.tick(60);
    expect(cluster.leaders()).toHaveLength(1);
    const logs = cluster.members.filter((member) => member !== s1).map(termsOf);
    expect(new Set(logs.map(String)).size).toBe(1);
  });
});

describe("§5.5 crashes, and messages that are lost or come twice", () => {
  test("a request that was lost, or whose answer was, is sent again", () => {
    for (const lost of ["appendEntries", "appendEntriesResponse"] as const) {
      const cluster = Cluster.of(3);
      const leader = cluster.elect("n1");
      cluster.passes = ({ type }) => type !== lost;
      leader.propose("commands", dataOf(1));
      cluster.settle();
      cluster.heal();
      cluster.tick(2);
      expect(cluster.members.map(({ committed }) => committed.length)).toEqual([2, 2, 2]);
    }
  });

  test("a whole window that was lost is sent again", () => {
    const cluster = Cluster.of(3);
    const leader = cluster.elect("n1");
    cluster.isolate("n3");
    for (let value = 0; value < 100; value++) {
      leader.propose("commands", dataOf(value));
      cluster.settle();
    }
    cluster.heal();
    cluster.tick(2);
    expect(cluster.raft("n3").commitIndex).toBe(101);
  });

  test("the same request twice appends once and is answered again", () => {
    const member = memberOf([1]);
    for (let time = 0; time < 2; time++) {
      member.up.step(append(2, 1, 1, [2, 2]));
      expect(only(member.settle(), "appendEntriesResponse")).toMatchObject({ matchIndex: 3 });
      expect(termsOf(member)).toEqual([1, 2, 2]);
    }
  });

  test("a member that crashes loses nothing that it has acknowledged", () => {
    const cluster = Cluster.of(3);
    const leader = cluster.elect("n1");
    leader.propose("commands", dataOf(1));
    cluster.settle();
    for (const member of cluster.members) {
      member.crash("nothing");
      member.start();
    }
    cluster.elect("n2");
    for (const { committed } of cluster.members) {
      expect(committed.map(({ data }) => data.byteLength)).toEqual([0, 4, 0]);
    }
  });

  test("a sole member elects itself at once, and commits when its own disk has it (pitfall 23)", () => {
    const cluster = Cluster.of(1);
    const [member] = cluster.members;
    const raft = cluster.raft("n1");
    raft.tick();
    expect(raft.role).toBe("candidate");
    member?.settle();
    expect([raft.role, raft.commitIndex]).toEqual(["leader", 1]);
    raft.propose("commands", dataOf(1));
    member?.drain();
    expect(raft.commitIndex).toBe(1);
    member?.persist();
    expect(raft.commitIndex).toBe(2);
    raft.readIndex({ start: 1, counter: 1 });
    member?.drain();
    expect(member?.readStates).toEqual([{ id: { start: 1, counter: 1 }, index: 2 }]);
  });
});
