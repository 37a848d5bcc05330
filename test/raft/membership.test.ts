import { describe, expect, test } from "vitest";
import { Cluster, configOf, dataOf, Member } from "./cluster.ts";
import {
  acked,
  allOf,
  append,
  beatAnswered,
  heartbeat,
  memberOf,
  only,
  requestVote,
  told,
} from "./conversation.ts";
import {
  adds,
  changes,
  confEntry,
  confsIn,
  joins,
  named,
  promotes,
  removes,
  replaces,
  shown,
} from "./members.ts";

/** n1 of three, leading in term 1, and n4, n5 that are not members yet. */
function three(spares = 2): Cluster {
  const cluster = Cluster.of(3, [], spares);
  cluster.elect("n1");
  return cluster;
}

/** The leader has crashed, and all others have given it up. */
function without(cluster: Cluster, leader: string): Cluster {
  cluster.member(leader).crash("nothing");
  cluster.tick(10);
  return cluster;
}

function appendConfs(term: number, prev: number, entries: ReturnType<typeof confEntry>[]) {
  return told({
    type: "appendEntries",
    term,
    prevLogIndex: prev,
    prevLogTerm: prev === 0 ? 0 : 1,
    entries,
    commitIndex: 0,
  });
}

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

describe("dissertation 4.2.1 catching up new servers", () => {
  test("a learner gets entries and heartbeats, and decides nothing", () => {
    const cluster = three();
    const leader = cluster.raft("n1");
    changes(cluster, leader, adds("n4"));
    leader.propose("commands", dataOf(1));
    cluster.tick(4);
    expect([cluster.raft("n4").lastIndex, cluster.raft("n4").commitIndex]).toEqual([3, 3]);
    expect(cluster.raft("n4").leader).toBe("n1");
    cluster.passes = (message) => !["n2", "n3"].includes(message.to);
    const index = leader.propose("commands", dataOf(2));
    cluster.settle();
    expect(cluster.raft("n4").lastIndex).toBe(index);
    expect(leader.commitIndex).toBe(3);
    cluster.tick(20);
    expect(leader.role).toBe("follower");
  });

  test("a learner does not campaign, and is not asked for its vote", () => {
    const cluster = three(1);
    changes(cluster, cluster.raft("n1"), adds("n4"));
    cluster.raft("n4").tick();
    for (let tick = 0; tick < 200; tick++) cluster.raft("n4").tick();
    expect(cluster.raft("n4")).toMatchObject({ role: "follower", term: 1 });
    without(cluster, "n1");
    const asked: string[] = [];
    cluster.passes = ({ type, to }) => {
      if (type === "preVote" || type === "requestVote") asked.push(to);
      return true;
    };
    cluster.elect("n2");
    expect(new Set(asked)).toEqual(new Set(["n1", "n3"]));
  });

  test("a learner answers who asks it all the same: it may be a voter and not know (pitfall 18)", () => {
    const cluster = three(1);
    const leader = cluster.raft("n1");
    joins(cluster, leader, "n4");
    cluster.isolate("n4");
    changes(cluster, leader, removes("n3"));
    const learner = new Member(configOf("n1"), ["n2", "n3"]);
    learner.up.step(appendConfs(1, 0, [confEntry(1, 1, ["n2", "n3"], [], ["n1"])]));
    learner.settle();
    learner.tick(10);
    learner.up.step(requestVote(2, 5, 1));
    expect(only(learner.settle(), "requestVoteResponse").granted).toBe(true);
  });

  test("it becomes a voter when it lacks no more than the bound, and not before (pitfall 55)", () => {
    const cluster = three();
    const leader = cluster.raft("n1");
    cluster.isolate("n4");
    changes(cluster, leader, adds("n4"));
    expect(leader.proposeConf(promotes("n4"))).toEqual({
      ok: false,
      reason: "behind",
      id: "n4",
      state: "probe",
      matchIndex: 0,
      lastIndex: 2,
      ticksSinceHeard: 0,
    });
    cluster.heal();
    cluster.tick(4);
    cluster.passes = (message) => message.type !== "appendEntries" || message.to !== "n4";
    for (let entry = 0; entry < 16; entry++) leader.propose("commands", dataOf(entry));
    cluster.settle();
    expect(leader.lastIndex - 2).toBe(16);
    const last = leader.propose("commands", dataOf(17));
    cluster.settle();
    expect(leader.proposeConf(promotes("n4"))).toMatchObject({
      reason: "behind",
      state: "replicate",
      matchIndex: 2,
      lastIndex: last,
    });
  });

  test("the bound itself is near enough", () => {
    const cluster = three();
    const leader = cluster.raft("n1");
    changes(cluster, leader, adds("n4"));
    cluster.tick(4);
    cluster.passes = (message) => message.type !== "appendEntries" || message.to !== "n4";
    for (let entry = 0; entry < 16; entry++) leader.propose("commands", dataOf(entry));
    cluster.settle();
    expect(leader.proposeConf(promotes("n4")).ok).toBe(true);
  });

  test("a learner that has fallen silent is not promoted, however much it had (pitfall 59)", () => {
    const cluster = three();
    const leader = cluster.raft("n1");
    changes(cluster, leader, adds("n4"));
    cluster.tick(4);
    cluster.member("n4").crash("nothing");
    cluster.tick(9);
    expect(leader.proposeConf(promotes("n4")).ok).toBe(true);
    const again = three();
    changes(again, again.raft("n1"), adds("n4"));
    again.tick(4);
    again.member("n4").crash("nothing");
    again.tick(11);
    expect(again.raft("n1").proposeConf(promotes("n4"))).toMatchObject({
      reason: "behind",
      matchIndex: 2,
      lastIndex: 2,
      ticksSinceHeard: 11,
    });
  });

  test("what a learner has acknowledged counts as soon as it is a voter", () => {
    const cluster = three();
    const leader = cluster.raft("n1");
    changes(cluster, leader, adds("n4"));
    cluster.tick(4);
    const before = leader.progress().find(({ id }) => id === "n4");
    expect(leader.proposeConf(promotes("n4")).ok).toBe(true);
    const after = leader.progress().find(({ id }) => id === "n4");
    expect(after).toEqual(before);
    expect(after).toMatchObject({ state: "replicate", matchIndex: 2 });
  });

  test("once promoted it campaigns like any other", () => {
    const cluster = three(1);
    joins(cluster, cluster.raft("n1"), "n4");
    cluster.tick(4);
    expect(without(cluster, "n1").elect("n4").term).toBe(2);
  });
});

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

  test("its last messages tell the others that Cnew is committed", () => {
    const cluster = three();
    changes(cluster, cluster.raft("n1"), removes("n1"));
    expect(cluster.raft("n1").role).toBe("follower");
    expect(cluster.members.slice(1, 3).map(({ up }) => up.commitIndex)).toEqual([3, 3]);
  });

  test("of two, the one that is left takes over (pitfall 52)", () => {
    const cluster = Cluster.of(2);
    const leader = cluster.elect("n1");
    changes(cluster, leader, removes("n1"));
    // n2 is a sole voter from the moment it has Cnew, and leaves n1 the time to commit it.
    expect([leader.isRemoved, leader.term, cluster.raft("n2").term]).toEqual([true, 1, 1]);
    cluster.tick(20);
    expect(cluster.leaders().map(({ id }) => id)).toEqual(["n2"]);
    expect(cluster.raft("n2").propose("commands", dataOf(1))).toBe(5);
    cluster.settle();
    expect(cluster.raft("n2").commitIndex).toBe(5);
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
