import { describe, expect, test } from "vitest";
import { Cluster, dataOf } from "./cluster.ts";
import {
  acked,
  allOf,
  append,
  beatAnswered,
  heartbeat,
  memberOf,
  only,
  requestVote,
} from "./conversation.ts";
import {
  adds,
  appendConfs,
  changes,
  confEntry,
  joins,
  named,
  promotes,
  removes,
  replaces,
  shown,
  three,
  without,
} from "./members.ts";

describe("dissertation 4.1 safety: a server uses the latest configuration in its log", () => {
  test("committed or not, as soon as it is appended", () => {
    const cluster = three();
    cluster.isolate("n1");
    expect(cluster.raft("n1").proposeConf(adds("n4"))).toEqual({ ok: true, index: 2 });
    expect(shown(cluster.raft("n1").conf)).toBe("n1 n2 n3 / n4");
    const follower = memberOf();
    follower.up.step(appendConfs(1, 0, [confEntry(1, 1, ["n1", "n2"])]));
    expect(shown(follower.up.conf)).toBe("n1 n2");
  });

  test("and no longer than it is there (pitfall 50)", () => {
    const member = memberOf([1]);
    member.up.step(
      appendConfs(2, 1, [
        confEntry(2, 2, ["n1", "n2", "n4"], ["n1", "n2", "n3"]),
        confEntry(3, 2, ["n1", "n2", "n4"]),
      ]),
    );
    expect(shown(member.up.conf)).toBe("n1 n2 n4");
    member.up.step(append(3, 1, 1, [3]));
    expect(shown(member.up.conf)).toBe("n1 n2 n3");
  });

  test("a truncation over two configurations leaves the one before both (pitfall 50)", () => {
    const member = memberOf([1]);
    member.up.step(
      appendConfs(2, 1, [
        confEntry(2, 2, ["n1", "n2", "n3"], [], ["n4"]),
        confEntry(3, 2, ["n1", "n2", "n3", "n4"], ["n1", "n2", "n3"]),
        confEntry(4, 2, ["n1", "n2", "n3", "n4"]),
      ]),
    );
    member.up.step({
      ...append(3, 2, 2, [3]),
    });
    expect(shown(member.up.conf)).toBe("n1 n2 n3 / n4");
  });

  test("a start finds the one that was in force", () => {
    const cluster = three();
    changes(cluster, cluster.raft("n1"), adds("n4"));
    cluster.member("n2").crash("nothing");
    cluster.member("n2").start();
    expect(shown(cluster.raft("n2").conf)).toBe("n1 n2 n3 / n4");
    expect(cluster.raft("n2").conf.members).toEqual(
      ["n1", "n2", "n3", "n4"].map((id) => named(id)),
    );
  });

  test("entries are taken from a leader that is not in it", () => {
    const member = memberOf([1]);
    member.up.step({ ...append(5, 1, 1, [5]), from: "n9" });
    expect(only(member.settle(), "appendEntriesResponse")).toMatchObject({
      to: "n9",
      success: true,
      matchIndex: 2,
    });
    member.up.step({ ...heartbeat(6), from: "n8" });
    expect([member.up.term, member.up.leader]).toEqual([6, "n8"]);
  });

  test("a candidate that is not in it gets the vote, by term and log alone", () => {
    const member = memberOf([1, 2]);
    member.up.step(requestVote(3, 1, 1, "n9"));
    member.up.step(requestVote(4, 2, 2, "n9"));
    expect(allOf(member.settle(), "requestVoteResponse")).toMatchObject([
      { to: "n9", term: 4, granted: true },
    ]);
    member.up.step(requestVote(4, 9, 2, "n8"));
    expect(only(member.settle(), "requestVoteResponse").granted).toBe(false);
  });

  test("a change is refused until the one before is committed (pitfall 50)", () => {
    const cluster = three();
    cluster.isolate("n1");
    cluster.raft("n1").proposeConf(adds("n4"));
    cluster.settle();
    const refusal = { ok: false, reason: "inProgress", index: 2 };
    expect(cluster.raft("n1").proposeConf(adds("n5"))).toEqual(refusal);
    cluster.heal();
    cluster.tick(4);
    expect(cluster.raft("n1").proposeConf(adds("n5")).ok).toBe(true);
  });

  test("a change is refused while the joint configuration is committed and not yet left", () => {
    const cluster = Cluster.of(2);
    const leader = cluster.elect("n1");
    cluster.passes = ({ type }) => type !== "appendEntriesResponse";
    changes(cluster, leader, removes("n2"));
    leader.step(acked(1, 2));
    expect([leader.commitIndex, shown(leader.conf)]).toEqual([2, "n1 + n1 n2"]);
    expect(leader.proposeConf(adds("n3"))).toEqual({ ok: false, reason: "inProgress", index: 2 });
    cluster.settle();
    expect(shown(leader.conf)).toBe("n1");
    expect(leader.proposeConf(adds("n3")).ok).toBe(true);
  });

  test("a change is refused before an entry of the leader's own term is committed (pitfall 49)", () => {
    const cluster = three();
    expect(cluster.raft("n2").proposeConf(adds("n4"))).toEqual({ ok: false, reason: "notLeader" });
    without(cluster, "n1").passes = ({ type }) => type !== "appendEntries";
    const leader = cluster.elect("n2");
    expect(leader.proposeConf(adds("n4"))).toEqual({ ok: false, reason: "notReady" });
    cluster.heal();
    cluster.tick(4);
    expect(leader.proposeConf(adds("n4")).ok).toBe(true);
  });
});

describe("dissertation 4.4 system integration", () => {
  test("what makes no sense is refused, and nothing is appended", () => {
    const cluster = three();
    const leader = cluster.raft("n1");
    changes(cluster, leader, adds("n4"));
    cluster.tick(4);
    const { lastIndex } = leader;
    const refusals = [
      [adds("n2"), "alreadyMember"],
      [adds("n4"), "alreadyMember"],
      [promotes("n5"), "notMember"],
      [promotes("n2"), "notLearner"],
      [removes("n5"), "notMember"],
      [replaces("n4", "n4"), "notVoter"],
      [replaces("n3", "n2"), "notLearner"],
      [replaces("n3", "n5"), "notMember"],
      [{ type: "update", member: named("n5") }, "notMember"],
      [{ type: "update", member: named("n2") }, "alreadyMember"],
    ] as const;
    for (const [change, reason] of refusals) {
      expect(leader.proposeConf(change)).toMatchObject({ ok: false, reason });
    }
    expect(leader.lastIndex).toBe(lastIndex);
  });

  test("configurations are handed out like all that is committed", () => {
    const cluster = three();
    joins(cluster, cluster.raft("n1"), "n4");
    cluster.tick(2);
    for (const member of cluster.members.slice(0, 4)) {
      expect(member.committed.map(({ kind }) => kind)).toEqual(["noop", "conf", "conf", "conf"]);
    }
  });

  test("entries go on being committed while the configuration changes", () => {
    const cluster = three();
    const leader = cluster.raft("n1");
    changes(cluster, leader, adds("n4"));
    cluster.tick(4);
    leader.proposeConf(promotes("n4"));
    const index = leader.propose("commands", dataOf(1));
    cluster.settle();
    expect(leader.commitIndex).toBeGreaterThan(index ?? 0);
  });

  test("a snapshot holds the configuration as of its index (pitfall 57)", () => {
    const cluster = three();
    joins(cluster, cluster.raft("n1"), "n4");
    const confs = [1, 2, 3, 4].map((index) => shown(cluster.raft("n1").confAt(index)));
    expect(confs).toEqual(["n1 n2 n3", "n1 n2 n3 / n4", "n1 n2 n3 n4 + n1 n2 n3", "n1 n2 n3 n4"]);
  });

  test("a sole voter with a learner commits, reads and leads alone, whatever the learner does", () => {
    const cluster = Cluster.of(1, [], 1);
    cluster.elect("n1");
    changes(cluster, cluster.raft("n1"), adds("n2"));
    cluster.tick(4);
    expect(cluster.raft("n2").commitIndex).toBe(2);
    cluster.member("n2").crash("nothing");
    cluster.member("n1").crash("everything");
    cluster.member("n1").start();
    cluster.raft("n1").tick();
    cluster.settle();
    const leader = cluster.raft("n1");
    expect(leader.role).toBe("leader");
    leader.propose("commands", dataOf(1));
    cluster.settle();
    expect(leader.commitIndex).toBe(leader.lastIndex);
    leader.readIndex({ start: 1, counter: 1 });
    cluster.member("n1").drain();
    expect(cluster.member("n1").readStates).toHaveLength(1);
    cluster.tick(100);
    expect(leader.role).toBe("leader");
  });

  test("a learner reads as a follower does", () => {
    const cluster = three();
    changes(cluster, cluster.raft("n1"), adds("n4"));
    cluster.tick(2);
    expect(cluster.raft("n4").readIndex({ start: 1, counter: 1 })).toBe(true);
    cluster.settle();
    expect(cluster.member("n4").readStates).toEqual([{ id: { start: 1, counter: 1 }, index: 2 }]);
  });

  test("a new voter that has answered no round takes back none that is confirmed", () => {
    const cluster = three();
    const leader = cluster.raft("n1");
    changes(cluster, leader, adds("n4"));
    changes(cluster, leader, adds("n5"));
    cluster.tick(4);
    const hears = cluster.passes;
    cluster.passes = ({ type, from }) => type !== "heartbeatResponse" || from < "n4";
    const round = leader.beginRound();
    changes(cluster, leader, replaces("n2", "n4"));
    cluster.passes = hears;
    expect(leader.confirmedRound).toBe(round);
    leader.proposeConf(replaces("n3", "n5"));
    leader.step(beatAnswered(1, 1, "n3"));
    expect([shown(leader.conf), leader.confirmedRound]).toEqual(["n1 n4 n5 + n1 n3 n4", round]);
  });
});
