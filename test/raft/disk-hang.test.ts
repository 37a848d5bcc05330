import { describe, expect, test } from "vitest";
import { Cluster, dataOf } from "./cluster.ts";
import { acked, beatAnswered, leaderOver } from "./conversation.ts";

/** Ticks of all, where the disk of `hung` completes nothing. */
function tickWithHungDisk(cluster: Cluster, hung: string, ticks: number): void {
  for (let tick = 0; tick < ticks; tick++) {
    for (const { up } of cluster.members) up.tick();
    for (let turn = 0; turn < 20; turn++) {
      for (const member of cluster.members) {
        cluster.bag.push(...(member.id === hung ? member.drain() : member.settle()));
      }
      for (const message of cluster.bag.splice(0)) cluster.member(message.to).up.step(message);
    }
  }
}

describe("a leader whose disk hangs", () => {
  test("hands over to a member with a working one, after an election timeout", () => {
    const cluster = Cluster.of(3);
    const leader = cluster.elect("n1");
    leader.propose("commands", dataOf(1));
    tickWithHungDisk(cluster, "n1", 10);
    expect(leader.role).toBe("leader");
    tickWithHungDisk(cluster, "n1", 3);
    const [next] = cluster.leaders();
    expect([next?.id, next?.term, leader.role]).toEqual(["n2", 2, "follower"]);
    const index = next?.propose("commands", dataOf(2)) ?? 0;
    tickWithHungDisk(cluster, "n1", 1);
    expect(next?.commitIndex).toBe(index);
  });

  test("steps down where nobody takes over", () => {
    const member = leaderOver();
    member.settle();
    member.up.step(acked(1, 1));
    member.up.propose("commands", dataOf(1));
    member.drain();
    for (let tick = 0; tick < 40 && member.up.role === "leader"; tick++) {
      expect(tick).toBeLessThan(22);
      member.tick();
      member.drain();
      member.up.step(beatAnswered(1, member.up.round));
    }
    expect([member.up.role, member.up.leader]).toEqual(["follower", null]);
  });

  test("steps down though it is asked again and again to hand over to somebody who does not", () => {
    const member = leaderOver();
    member.settle();
    member.up.step(acked(1, 1));
    member.up.propose("commands", dataOf(1));
    member.drain();
    for (let tick = 0; tick < 60 && member.up.role === "leader"; tick++) {
      expect(tick).toBeLessThan(24);
      member.up.transferLeadership("n2");
      member.tick();
      member.drain();
      member.up.step(beatAnswered(1, member.up.round));
    }
    expect([member.up.role, member.up.leader]).toEqual(["follower", null]);
  });

  test("leads on when its write completes in time, however slow each one is", () => {
    const cluster = Cluster.of(3);
    const leader = cluster.elect("n1");
    for (let write = 0; write < 10; write++) {
      leader.propose("commands", dataOf(write));
      tickWithHungDisk(cluster, "n1", 10);
      cluster.settle();
    }
    expect([leader.role, leader.term, leader.commitIndex]).toEqual(["leader", 1, 11]);
  });

  test("leads on where it is the only voter: there is nobody else", () => {
    const cluster = Cluster.of(1);
    const leader = cluster.elect("n1");
    leader.propose("commands", dataOf(1));
    tickWithHungDisk(cluster, "n1", 100);
    expect(leader.role).toBe("leader");
    cluster.settle();
    expect(leader.commitIndex).toBe(2);
  });
});
