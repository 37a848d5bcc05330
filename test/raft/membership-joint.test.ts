import { describe, expect, test } from "vitest";
import { Cluster, dataOf } from "./cluster.ts";
import { allOf, beatAnswered, memberOf, told } from "./conversation.ts";
import {
  adds,
  appendConfs,
  changes,
  confEntry,
  confsIn,
  joins,
  named,
  removes,
  replaces,
  shown,
  three,
  without,
} from "./members.ts";

describe("dissertation 4.3 arbitrary changes by joint consensus", () => {
  test("a change of voters is joint first, and left by the leader once that is committed", () => {
    const cluster = three();
    joins(cluster, cluster.raft("n1"), "n4");
    cluster.tick(2);
    for (const { up } of cluster.members.slice(0, 4)) {
      expect(confsIn(up)).toEqual(["n1 n2 n3 / n4", "n1 n2 n3 n4 + n1 n2 n3", "n1 n2 n3 n4"]);
      expect(up.commitIndex).toBe(4);
    }
  });

  test("a learner comes, goes, and a member moves in one simple step", () => {
    const cluster = three();
    const leader = cluster.raft("n1");
    changes(cluster, leader, adds("n4"));
    changes(cluster, leader, { type: "update", member: named("n2", "10.0.0.2:7420") });
    changes(cluster, leader, removes("n4"));
    cluster.tick(2);
    expect(confsIn(cluster.raft("n2"))).toEqual(["n1 n2 n3 / n4", "n1 n2 n3 / n4", "n1 n2 n3"]);
    expect(cluster.raft("n3").conf.members).toEqual([
      named("n1"),
      named("n2", "10.0.0.2:7420"),
      named("n3"),
    ]);
  });

  test("a replacement is one joint step, with as many voters before, in it and after", () => {
    const cluster = three();
    const leader = cluster.raft("n1");
    changes(cluster, leader, adds("n4"));
    cluster.tick(4);
    changes(cluster, leader, replaces("n3", "n4"));
    expect(confsIn(leader)).toEqual(["n1 n2 n3 / n4", "n1 n2 n4 + n1 n2 n3", "n1 n2 n4"]);
  });

  test("a leader that is replaced hands on to the others", () => {
    const cluster = three();
    const leader = cluster.raft("n1");
    changes(cluster, leader, adds("n4"));
    cluster.tick(4);
    changes(cluster, leader, replaces("n1", "n4"));
    expect(leader.isRemoved).toBe(true);
    cluster.tick(60);
    expect(cluster.leaders().map(({ id, conf }) => `${id}: ${shown(conf)}`)).toEqual([
      "n2: n2 n3 n4",
    ]);
  });

  test("nothing is committed without a majority of each half (pitfall 51)", () => {
    const committed = (...heard: string[]) => {
      const cluster = three();
      const leader = cluster.raft("n1");
      changes(cluster, leader, adds("n4"));
      cluster.tick(4);
      cluster.passes = ({ from, to }) => to !== "n1" || heard.includes(from);
      const index = leader.lastIndex + 1;
      changes(cluster, leader, replaces("n3", "n4"));
      expect(confsIn(leader)[1]).toBe("n1 n2 n4 + n1 n2 n3");
      return leader.commitIndex >= index;
    };
    expect(committed("n3")).toBe(false);
    expect(committed("n4")).toBe(false);
    expect(committed("n3", "n4")).toBe(true);
    expect(committed("n2")).toBe(true);
  });

  test("nobody is elected without a majority of each half (pitfall 51)", () => {
    const joint = confEntry(2, 1, ["n1", "n4", "n5"], ["n1", "n2", "n3"]);
    const voted = (...granting: string[]) => {
      const member = memberOf([1]);
      member.up.step(appendConfs(1, 1, [joint]));
      member.settle();
      member.tick(20);
      for (const from of granting) {
        member.up.step(told({ type: "preVoteResponse", term: 2, granted: true }, from));
      }
      if (member.up.role !== "candidate") return member.up.role;
      member.settle();
      for (const from of granting) {
        member.up.step(told({ type: "requestVoteResponse", term: 2, granted: true }, from));
      }
      return member.up.role;
    };
    expect(voted("n2", "n3")).toBe("preCandidate");
    expect(voted("n4", "n5")).toBe("preCandidate");
    expect(voted("n2", "n4")).toBe("leader");
  });

  test("the voters of both halves are asked for their votes, and no learner", () => {
    const member = memberOf([1]);
    member.up.step(
      appendConfs(1, 1, [confEntry(2, 1, ["n1", "n4", "n5"], ["n1", "n2", "n3"], ["n6"])]),
    );
    member.settle();
    member.tick(10);
    const asked = allOf(member.settle(), "preVote").map(({ to }) => to);
    expect(asked).toEqual(["n2", "n3", "n4", "n5"]);
  });

  test("a round, and a leader's hold, take a majority of each half", () => {
    const cluster = three();
    const leader = cluster.raft("n1");
    changes(cluster, leader, adds("n4"));
    changes(cluster, leader, adds("n5"));
    cluster.tick(4);
    changes(cluster, leader, replaces("n2", "n4"));
    cluster.passes = ({ from, type }) =>
      type === "appendEntriesResponse" ? from === "n9" : from !== "n5" && from !== "n4";
    leader.proposeConf(replaces("n3", "n5"));
    expect(shown(leader.conf)).toBe("n1 n4 n5 + n1 n3 n4");
    const round = leader.beginRound();
    cluster.settle();
    expect(leader.confirmedRound).toBeLessThan(round);
    leader.step({ ...beatAnswered(1, round, "n4"), to: "n1" });
    expect(leader.confirmedRound).toBe(round);
    // n3 is heard, n4 and n5 are not: of the new half only n1 itself.
    cluster.tick(20);
    expect(leader.role).toBe("follower");
  });

  test("who inherits a joint configuration commits it before leaving it (pitfall 51)", () => {
    const cluster = three(1);
    changes(cluster, cluster.raft("n1"), adds("n4"));
    cluster.tick(4);
    cluster.passes = ({ type }) => type !== "appendEntriesResponse";
    changes(cluster, cluster.raft("n1"), replaces("n1", "n4"));
    expect(cluster.raft("n1").commitIndex).toBe(2);
    without(cluster, "n1").passes = ({ type }) => !type.startsWith("appendEntries");
    const leader = cluster.elect("n2");
    expect(confsIn(leader)).toEqual(["n1 n2 n3 / n4", "n2 n3 n4 + n1 n2 n3"]);
    expect(leader.proposeConf(adds("n9"))).toMatchObject({ reason: "notReady" });
    cluster.heal();
    cluster.tick(4);
    expect(confsIn(leader).slice(2)).toEqual(["n2 n3 n4"]);
    // The joint one is entry 3, the new leader's no-op 4.
    expect(leader.log.confEntries.map(({ index }) => index)).toEqual([2, 3, 5]);
    expect(leader.commitIndex).toBe(5);
  });

  test("three become five and three again, and go on at each step", () => {
    const cluster = three();
    const leader = cluster.raft("n1");
    joins(cluster, leader, "n4");
    joins(cluster, leader, "n5");
    cluster.tick(2);
    expect(shown(cluster.raft("n5").conf)).toBe("n1 n2 n3 n4 n5");
    cluster.member("n2").crash("nothing");
    cluster.member("n3").crash("nothing");
    const index = leader.propose("commands", dataOf(1));
    cluster.settle();
    expect(leader.commitIndex).toBe(index);
    changes(cluster, leader, removes("n2"));
    changes(cluster, leader, removes("n3"));
    cluster.tick(30);
    expect([shown(leader.conf), leader.role]).toEqual(["n1 n4 n5", "leader"]);
    expect(leader.commitIndex).toBe(leader.lastIndex);
  });

  test("a change that the new voters could not commit is refused while it can be (pitfall 59)", () => {
    const cluster = Cluster.of(5);
    const leader = cluster.elect("n1");
    cluster.member("n4").crash("nothing");
    cluster.member("n5").crash("nothing");
    cluster.tick(11);
    expect(leader.proposeConf(removes("n3"))).toEqual({
      ok: false,
      reason: "quorumSilent",
      silent: ["n4", "n5"],
    });
    expect(leader.proposeConf(removes("n5")).ok).toBe(true);
  });
});
