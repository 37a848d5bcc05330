import { describe, expect, test } from "vitest";
import { Cluster, dataOf, type Member } from "./cluster.ts";
import { acked, allOf, leaderOver } from "./conversation.ts";

describe("§5.4.3 safety argument", () => {
  test("whoever has a committed entry can follow its leader, and nobody else can", () => {
    const others = ["n2", "n3", "n4", "n5"];
    const pairs = others.flatMap((one, at) => others.slice(at + 1).map((other) => [one, other]));
    for (const holders of pairs) {
      for (const candidate of others) {
        const cluster = Cluster.of(5);
        const leader = cluster.elect("n1");
        cluster.passes = ({ from, to }) =>
          [from, to].every((id) => ["n1", ...holders].includes(id));
        const index = leader.propose("commands", dataOf(1)) ?? -1;
        cluster.settle();
        expect(leader.commitIndex).toBe(index);
        cluster.member("n1").crash("nothing");
        cluster.heal();
        // The others have given the leader up, and none of them asks for itself.
        for (const id of others) cluster.member(id).tick(9);
        for (const id of others) cluster.raft(id).peerGone("n1", true);
        const raft = cluster.raft(candidate);
        for (let tick = 0; tick < 50 && raft.role !== "leader"; tick++) {
          raft.tick();
          cluster.settle();
        }
        expect(raft.role === "leader", `${candidate}, of ${holders.join(" and ")}`).toBe(
          holders.includes(candidate),
        );
      }
    }
  });
});

describe("§5.6 timing and availability", () => {
  test("a leader that falls silent is replaced within two election timeouts", () => {
    const cluster = Cluster.of(5);
    cluster.elect("n1");
    cluster.member("n1").crash("nothing");
    cluster.tick(40);
    expect(cluster.leaders()).toHaveLength(1);
  });

  test("clocks that run ten times as fast cost leaders, and never give a term two of them", () => {
    const cluster = Cluster.of(3);
    const byTerm = new Map<number, string>();
    const rates = [1, 10, 3];
    for (let turn = 0; turn < 300; turn++) {
      cluster.members.forEach((member, at) => {
        for (let tick = 0; tick < (rates[(at + Math.floor(turn / 20)) % 3] ?? 1); tick++) {
          member.tick();
          cluster.bag.push(...member.settle());
        }
      });
      if (turn % 4 === 0) cluster.settle();
      for (const { id, term } of cluster.leaders()) {
        expect(byTerm.get(term) ?? id).toBe(id);
        byTerm.set(term, id);
      }
    }
    expect(byTerm.size).toBeGreaterThan(1);
  });
});

describe("dissertation 3.8 persisted state and server restarts", () => {
  test("a start knows term, vote and log, and neither role, leader, rounds nor peers", () => {
    const cluster = Cluster.of(3);
    const leader = cluster.elect("n1");
    leader.propose("commands", dataOf(1));
    cluster.settle();
    cluster.tick(2);
    const member = cluster.member("n1");
    member.crash("nothing");
    member.start();
    const { up, disk } = member;
    expect([up.term, disk.hardState.vote, up.lastIndex, up.durableIndex]).toEqual([1, "n1", 2, 2]);
    expect([up.role, up.leader, up.round, up.progress()]).toEqual(["follower", null, 0, []]);
  });

  test("what is applied again after a start is what was applied before, each entry once", () => {
    const cluster = Cluster.of(3);
    const leader = cluster.elect("n1");
    for (let value = 1; value <= 5; value++) {
      leader.propose("commands", dataOf(value));
      cluster.settle();
    }
    const member = cluster.member("n2");
    const before = [...member.committed];
    member.crash("nothing");
    member.start();
    cluster.tick(4);
    expect(member.committed).toEqual(before);
    expect(member.state.hash).toBe(cluster.member("n1").state.hash);
  });
});

/** n1, leading in term 1: n2 and n3 have its no-op, and all is on its disk. */
function followedLeader(): Member {
  const member = leaderOver();
  member.settle();
  for (const peer of ["n2", "n3"]) member.up.step(acked(1, 1, peer));
  member.settle();
  return member;
}

describe("dissertation 10.2.1 writing to the leader's disk in parallel", () => {
  test("entries leave for the followers while the leader's own write is out", () => {
    const member = followedLeader();
    member.up.propose("commands", dataOf(1));
    const sent = allOf(member.drain(), "appendEntries");
    expect(sent.map(({ to, entries }) => [to, entries.length])).toEqual([
      ["n2", 1],
      ["n3", 1],
    ]);
    expect(member.writing?.entries).toHaveLength(1);
    expect(member.up.durableIndex).toBe(1);
  });
});

describe("dissertation 10.2.2 batching and pipelining", () => {
  test("what is proposed between two turns is one message to each, and one write", () => {
    const member = followedLeader();
    for (let value = 1; value <= 7; value++) member.up.propose("commands", dataOf(value));
    const sent = allOf(member.drain(), "appendEntries");
    expect(sent.map(({ entries }) => entries.length)).toEqual([7, 7]);
    expect(member.writing?.entries).toHaveLength(7);
  });

  test("the next message leaves before the one before it is answered", () => {
    const member = followedLeader();
    const sent = [1, 2, 3].flatMap((value) => {
      member.up.propose("commands", dataOf(value));
      return allOf(member.settle(), "appendEntries").filter(({ to }) => to === "n2");
    });
    expect(sent.map(({ prevLogIndex, entries }) => [prevLogIndex, entries.length])).toEqual([
      [1, 1],
      [2, 1],
      [3, 1],
    ]);
  });
});
