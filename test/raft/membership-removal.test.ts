import { describe, expect, test } from "vitest";
import { Cluster, dataOf } from "./cluster.ts";
import { acked, beatAnswered, requestVote } from "./conversation.ts";
import { adds, changes, joins, removes, shown, three } from "./members.ts";

describe("dissertation 4.2.2 removing the current leader", () => {
  test("it goes on until Cnew is committed, without counting itself, and steps down", () => {
    const cluster = three();
    const leader = cluster.raft("n1");
    cluster.passes = (message) => message.type !== "appendEntriesResponse" || message.from === "n2";
    changes(cluster, leader, removes("n1"));
    // Old half: n1 and n2; new half: n2 and n3 are both needed.
    expect([shown(leader.conf), leader.commitIndex]).toEqual(["n2 n3 + n1 n2 n3", 1]);
    cluster.passes = ({ type, from, to }) => {
      return type !== "appendEntriesResponse" || to !== "n1" || from !== "n3";
    };
    const member = cluster.member("n1");
    member.up.step({ ...acked(1, 2, "n3"), to: "n1" });
    cluster.settle();
    expect([shown(leader.conf), leader.role, leader.commitIndex]).toEqual(["n2 n3", "leader", 2]);
    cluster.heal();
    cluster.tick(2);
    expect([leader.role, leader.commitIndex, leader.isRemoved]).toEqual(["follower", 3, true]);
    cluster.tick(60);
    expect(cluster.leaders().map(({ id }) => id)).toEqual(["n2"]);
    expect([leader.role, leader.term]).toEqual(["follower", 1]);
  });

  test("it takes no change between that and its last turn, not even to add itself again", () => {
    const cluster = three();
    const leader = cluster.raft("n1");
    cluster.passes = ({ type, from }) => type !== "appendEntriesResponse" || from === "n2";
    changes(cluster, leader, removes("n1"));
    leader.step({ ...acked(1, 2, "n3"), to: "n1" });
    cluster.settle();
    leader.step({ ...acked(1, 3, "n3"), to: "n1" });
    expect([leader.role, leader.commitIndex]).toEqual(["leader", 3]);
    expect(leader.proposeConf(adds("n1"))).toEqual({ ok: false, reason: "notLeader" });
  });

  test("its last messages tell the others that Cnew is committed", () => {
    const cluster = three();
    cluster.passes = ({ type }) => type !== "timeoutNow";
    changes(cluster, cluster.raft("n1"), removes("n1"));
    expect(cluster.raft("n1").role).toBe("follower");
    expect(cluster.members.slice(1, 3).map(({ up }) => up.commitIndex)).toEqual([3, 3]);
  });

  test("and one of those who have everything is asked to campaign at once", () => {
    const cluster = three();
    const before = cluster.raft("n1").term;
    changes(cluster, cluster.raft("n1"), removes("n1"));
    const leaders = cluster.leaders();
    expect(leaders.map(({ term }) => term)).toEqual([before + 1]);
    expect(leaders[0]?.id).not.toBe("n1");
  });

  test("of two, the one that is left takes over (pitfall 52)", () => {
    const cluster = Cluster.of(2);
    const leader = cluster.elect("n1");
    cluster.passes = ({ type }) => type !== "timeoutNow";
    changes(cluster, leader, removes("n1"));
    expect([leader.isRemoved, leader.term, cluster.raft("n2").term]).toEqual([true, 1, 1]);
    cluster.tick(20);
    expect(cluster.leaders().map(({ id }) => id)).toEqual(["n2"]);
    expect(cluster.raft("n2").propose("commands", dataOf(1))).toBe(5);
    cluster.settle();
    expect(cluster.raft("n2").commitIndex).toBe(5);
  });

  test("of two, the one that is left waits for the leader that is about to go", () => {
    const cluster = Cluster.of(2);
    const leader = cluster.elect("n1");
    cluster.passes = ({ type }) => type !== "appendEntriesResponse" || shown(leader.conf) !== "n2";
    changes(cluster, leader, removes("n1"));
    cluster.tick(9);
    expect(shown(cluster.raft("n2").conf)).toBe("n2");
    expect([cluster.raft("n2").role, leader.role, leader.term]).toEqual(["follower", "leader", 1]);
    cluster.heal();
    cluster.tick(3);
    expect(leader.isRemoved).toBe(true);
  });

  test("of two, the leader that is left goes on alone (pitfall 52)", () => {
    const cluster = Cluster.of(2);
    const leader = cluster.elect("n1");
    changes(cluster, leader, removes("n2"));
    cluster.member("n2").crash("nothing");
    const index = leader.propose("commands", dataOf(1));
    cluster.tick(100);
    expect([leader.role, leader.commitIndex]).toEqual(["leader", index]);
  });

  test("the last voter is not removed", () => {
    const cluster = Cluster.of(1);
    const refusal = { ok: false, reason: "lastVoter", id: "n1" };
    expect(cluster.elect("n1").proposeConf(removes("n1"))).toEqual(refusal);
  });

  test("who is removed by what is not committed may be needed to lead once more", () => {
    const cluster = three();
    const leader = cluster.raft("n1");
    joins(cluster, leader, "n4");
    // n1, n2, n3, n4 without n1: the joint configuration is committed, Cnew only on n1's disk.
    cluster.passes = ({ type, from, to }) => {
      return (
        type !== "appendEntries" || from !== "n1" || shown(leader.conf).includes("+") || to === "n1"
      );
    };
    changes(cluster, leader, removes("n1"));
    expect([shown(leader.conf), leader.isRemoved]).toEqual(["n2 n3 n4", false]);
    cluster.member("n1").crash("everything");
    cluster.member("n4").crash("nothing");
    cluster.heal();
    cluster.tick(100);
    // n2 and n3 are a majority of the new half, and two of four of the old one.
    expect(cluster.leaders()).toEqual([]);
    cluster.member("n1").start();
    cluster.tick(100);
    expect(cluster.raft("n1")).toMatchObject({ role: "follower", isRemoved: true });
    expect(cluster.leaders().map(({ id }) => id)).not.toContain("n1");
    expect(cluster.leaders().map(({ conf }) => shown(conf))).toEqual(["n2 n3 n4"]);
  });
});

describe("dissertation 4.2.3 disruptive servers", () => {
  test("a removed member learns that it is, and is silent", () => {
    const cluster = three();
    const leader = cluster.raft("n1");
    changes(cluster, leader, removes("n3"));
    cluster.tick(4);
    const removed = cluster.raft("n3");
    expect([removed.isRemoved, shown(removed.conf)]).toEqual([true, "n1 n2"]);
    expect(leader.progress().map(({ id }) => id)).toEqual(["n2", "n3"]);
    cluster.tick(20);
    expect(leader.progress().map(({ id }) => id)).toEqual(["n2"]);
    let spoke = 0;
    cluster.passes = ({ from }) => {
      if (from === "n3") spoke++;
      return true;
    };
    cluster.tick(200);
    expect([spoke, removed.role, removed.term]).toEqual([0, "follower", 1]);
  });

  test("one that never learnt of it deposes nobody (pitfall 53)", () => {
    const cluster = three();
    const leader = cluster.raft("n1");
    cluster.isolate("n3");
    changes(cluster, leader, removes("n3"));
    cluster.tick(100);
    cluster.heal();
    cluster.tick(200);
    expect([leader.role, leader.term]).toEqual(["leader", 1]);
    const stray = cluster.raft("n3");
    expect([shown(stray.conf), stray.isRemoved, stray.leader]).toEqual(["n1 n2 n3", false, null]);
  });

  test("its requests in a higher term are ignored while a leader is heard", () => {
    const cluster = three();
    changes(cluster, cluster.raft("n1"), removes("n3"));
    for (const to of ["n1", "n2"]) {
      cluster.raft(to).step({ ...requestVote(9, 9, 8, "n3"), to });
    }
    cluster.settle();
    expect(cluster.raft("n1")).toMatchObject({ role: "leader", term: 1 });
    expect(cluster.raft("n2").term).toBe(1);
  });

  test("what it answers in a higher term raises none", () => {
    const cluster = three();
    const leader = cluster.raft("n1");
    changes(cluster, leader, removes("n3"));
    const head = { from: "n3", to: "n1", term: 9 };
    const id = { start: 1, counter: 1 };
    leader.step({ ...beatAnswered(9, 1, "n3") });
    leader.step({ ...acked(9, 1, "n3") });
    leader.step({ type: "preVoteResponse", ...head, granted: false });
    leader.step({ type: "requestVoteResponse", ...head, granted: false });
    leader.step({ type: "readIndex", ...head, id });
    leader.step({ type: "readIndexResponse", ...head, id, index: 9 });
    expect([leader.role, leader.term]).toEqual(["leader", 1]);
    // A member's has to: it could follow nobody in a lower term, and not be elected either.
    leader.step(beatAnswered(9, 1, "n2"));
    expect([leader.role, leader.term]).toEqual(["follower", 9]);
  });

  test("what it still acknowledges after it is forgotten is nobody's", () => {
    const cluster = three();
    const leader = cluster.raft("n1");
    changes(cluster, leader, removes("n3"));
    cluster.tick(30);
    leader.step(acked(1, 2, "n3"));
    leader.step(beatAnswered(1, 1, "n3"));
    expect(leader.progress().map(({ id }) => id)).toEqual(["n2"]);
  });

  test("one that cannot be reached is followed no longer than an election timeout", () => {
    const cluster = three();
    const leader = cluster.raft("n1");
    cluster.member("n3").crash("nothing");
    changes(cluster, leader, removes("n3"));
    cluster.tick(19);
    expect(leader.progress().map(({ id }) => id)).toEqual(["n2", "n3"]);
    cluster.tick(1);
    expect(leader.progress().map(({ id }) => id)).toEqual(["n2"]);
  });

  test("that time runs from the commit: before it there is nothing to learn", () => {
    const cluster = three();
    const leader = cluster.raft("n1");
    cluster.passes = ({ type }) =>
      type !== "appendEntriesResponse" || shown(leader.conf) !== "n1 n2";
    changes(cluster, leader, removes("n3"));
    cluster.tick(40);
    expect([shown(leader.conf), leader.commitIndex]).toEqual(["n1 n2", 2]);
    expect(leader.progress().map(({ id }) => id)).toEqual(["n2", "n3"]);
    cluster.heal();
    cluster.tick(4);
    expect(cluster.raft("n3").isRemoved).toBe(true);
    cluster.tick(20);
    expect(leader.progress().map(({ id }) => id)).toEqual(["n2"]);
  });

  test("who has learnt it knows it when a snapshot has taken the place of the log", () => {
    const cluster = three();
    changes(cluster, cluster.raft("n1"), removes("n3"));
    cluster.tick(4);
    const member = cluster.member("n3");
    const { index } = member.takeSnapshot();
    member.up.compact(index);
    expect([shown(member.up.conf), member.up.log.confEntries]).toEqual(["n1 n2", []]);
    expect(member.up.isRemoved).toBe(true);
  });

  test("who comes back while it is leaving stays", () => {
    const cluster = three();
    const leader = cluster.raft("n1");
    changes(cluster, leader, removes("n3"));
    cluster.tick(4);
    changes(cluster, leader, adds("n3"));
    cluster.tick(60);
    expect(leader.progress().map(({ id }) => id)).toEqual(["n2", "n3"]);
    expect([shown(cluster.raft("n3").conf), cluster.raft("n3").isRemoved]).toEqual([
      "n1 n2 / n3",
      false,
    ]);
  });
});
