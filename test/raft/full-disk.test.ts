import { describe, expect, test } from "vitest";
import { Cluster, configOf, dataOf } from "./cluster.ts";
import {
  acked,
  allOf,
  append,
  beatAnswered,
  chunkOf,
  heartbeat,
  leaderOver,
  memberOf,
  only,
  requestVote,
  told,
} from "./conversation.ts";
import { snapshotOf } from "./disk.ts";
import { adds } from "./members.ts";

/** n1 leads term 1, nothing is on its way. */
function led(): Cluster {
  const cluster = Cluster.of(3);
  cluster.elect("n1");
  cluster.tick(4);
  return cluster;
}

function fill(cluster: Cluster, ...full: readonly string[]): void {
  for (const { id, up } of cluster.members) up.setDiskFull(full.includes(id));
}

describe("a follower whose disk is full", () => {
  test("stores and acknowledges no entry, and follows who sends it", () => {
    const member = memberOf([1]);
    member.up.setDiskFull(true);
    member.up.step(append(1, 1, 1, [1, 1], 3));
    expect([member.settle(), member.up.lastIndex, member.up.leader]).toEqual([[], 1, "n2"]);
    expect(member.disk.entries).toHaveLength(1);
  });

  test("cuts nothing off for a leader whose entries it cannot take in exchange", () => {
    const member = memberOf([1, 1]);
    member.up.setDiskFull(true);
    member.up.step(append(2, 1, 1, [2]));
    expect([member.up.lastIndex, member.up.log.lastTerm]).toEqual([2, 1]);
  });

  test("acknowledges what was on its way to the disk when that became full", () => {
    const member = memberOf([1]);
    member.up.step(append(1, 1, 1, [1]));
    member.drain();
    member.up.setDiskFull(true);
    expect(only(member.settle(), "appendEntriesResponse")).toMatchObject({ matchIndex: 2 });
  });

  test("answers heartbeats and rounds, and learns what of its log is committed", () => {
    const member = memberOf([1]);
    member.up.step(append(1, 1, 1, []));
    member.settle();
    member.up.setDiskFull(true);
    member.up.step(told({ type: "heartbeat", term: 1, commitIndex: 1, round: 7 }));
    expect(only(member.settle(), "heartbeatResponse").round).toBe(7);
    expect(member.committed.map(({ index }) => index)).toEqual([1]);
  });

  test("takes no part of a snapshot", () => {
    const member = memberOf([1]);
    member.up.setDiskFull(true);
    member.up.step(chunkOf(3, snapshotOf(6, 2), 0));
    expect([member.up.isInstalling, member.settle()]).toEqual([false, []]);
    member.up.setDiskFull(false);
    member.up.step(chunkOf(3, snapshotOf(6, 2), 0));
    expect(member.up.isInstalling).toBe(true);
  });

  test("votes, and writes the vote down, but does not campaign, whoever asks for it", () => {
    const member = memberOf([1]);
    member.up.setDiskFull(true);
    member.tick(100);
    expect([member.up.role, member.settle()]).toEqual(["follower", []]);
    member.up.step(told({ type: "preVote", term: 2, lastLogIndex: 1, lastLogTerm: 1 }));
    member.up.step(requestVote(2, 1, 1));
    const answers = member.settle();
    expect(only(answers, "preVoteResponse").granted).toBe(true);
    expect(only(answers, "requestVoteResponse").granted).toBe(true);
    expect(member.disk.hardState).toEqual({ term: 2, vote: "n2" });
    member.up.step(heartbeat(2));
    member.up.step(told({ type: "timeoutNow", term: 2, lastLogIndex: 1 }));
    expect(allOf(member.settle(), "requestVote")).toEqual([]);
    expect(member.up.role).toBe("follower");
  });

  test("does not take a leader that is silent for one for ever", () => {
    const member = memberOf([1]);
    member.up.setDiskFull(true);
    member.up.step(heartbeat(1));
    member.tick(9);
    expect(member.up.leader).toBe("n2");
    member.tick(11);
    expect([member.up.role, member.up.leader, member.up.term]).toEqual(["follower", null, 1]);
    member.up.step(heartbeat(1));
    expect(member.up.leader).toBe("n2");
  });

  test("is given what it lacks as soon as there is room, without anything else happening", () => {
    const cluster = led();
    fill(cluster, "n3");
    const leader = cluster.raft("n1");
    for (let value = 1; value <= 200; value++) leader.propose("commands", dataOf(value));
    cluster.tick(20);
    expect([leader.commitIndex, cluster.raft("n3").lastIndex]).toEqual([201, 1]);
    fill(cluster);
    cluster.tick(6);
    expect(cluster.raft("n3").commitIndex).toBe(201);
    expect([leader.role, leader.term]).toEqual(["leader", 1]);
  });

  test("is not sent what it does not take again and again", () => {
    const cluster = led();
    fill(cluster, "n3");
    const leader = cluster.raft("n1");
    for (let value = 1; value <= 200; value++) leader.propose("commands", dataOf(value));
    cluster.tick(4);
    let entries = 0;
    cluster.passes = (message) => {
      if (message.type === "appendEntries" && message.to === "n3")
        entries += message.entries.length;
      return true;
    };
    cluster.tick(40);
    expect(entries).toBe(0);
    // What was on the link may be lost, so some of it is sent, once.
    leader.peerLink("n3", false);
    leader.peerLink("n3", true);
    cluster.tick(40);
    expect(entries).toBe(configOf("n1").inflightEntriesMax);
    fill(cluster);
    cluster.tick(6);
    expect(cluster.raft("n3").commitIndex).toBe(201);
  });
});

describe("a candidate whose disk becomes full", () => {
  test("gives it up, before it is elected or after it has asked", () => {
    const member = memberOf([1]);
    member.tick(10);
    member.up.setDiskFull(true);
    member.up.step(told({ type: "preVoteResponse", term: 2, granted: true }));
    expect([member.up.role, member.up.term]).toEqual(["follower", 1]);
    const asked = memberOf([1]);
    asked.tick(10);
    asked.up.step(told({ type: "preVoteResponse", term: 2, granted: true }));
    asked.settle();
    asked.up.setDiskFull(true);
    asked.up.step(told({ type: "requestVoteResponse", term: 2, granted: true }));
    expect([asked.up.role, asked.up.term, asked.up.lastIndex]).toEqual(["follower", 2, 1]);
  });
});

describe("a leader whose disk is full", () => {
  test("appends nothing, and leads on: its rounds confirm reads", () => {
    const cluster = led();
    fill(cluster, "n1", "n2", "n3");
    const leader = cluster.raft("n1");
    expect(leader.propose("commands", dataOf(1))).toBeNull();
    expect(leader.proposeConf(adds("n4"))).toEqual({ ok: false, reason: "diskFull" });
    cluster.tick(100);
    expect([leader.role, leader.term, leader.lastIndex]).toEqual(["leader", 1, 1]);
    leader.readIndex({ start: 1, counter: 1 });
    cluster.settle();
    expect(cluster.member("n1").readStates).toHaveLength(1);
  });

  test("takes entries again when there is room", () => {
    const cluster = led();
    fill(cluster, "n1", "n2", "n3");
    cluster.tick(50);
    fill(cluster);
    const leader = cluster.raft("n1");
    leader.propose("commands", dataOf(1));
    cluster.settle();
    expect(cluster.members.map(({ up }) => up.lastIndex)).toEqual([2, 2, 2]);
    expect(leader.commitIndex).toBe(2);
  });

  test("hands over to who has room, and brings it what it lacks before", () => {
    const cluster = led();
    const leader = cluster.raft("n1");
    cluster.passes = ({ to }) => to !== "n2";
    leader.propose("commands", dataOf(1));
    cluster.settle();
    cluster.heal();
    fill(cluster, "n1");
    expect(leader.transferLeadership("n2")).toEqual({ isStarted: true, to: "n2" });
    cluster.tick(6);
    expect(cluster.leaders().map(({ id }) => id)).toEqual(["n2"]);
    expect(cluster.raft("n2").commitIndex).toBe(3);
  });

  test("does not leave a joint configuration before there is room for the entry", () => {
    const member = leaderOver();
    member.settle();
    member.up.step(acked(1, 1));
    expect(member.up.proposeConf({ type: "remove", id: "n3" }).ok).toBe(true);
    member.settle();
    member.up.setDiskFull(true);
    member.up.step(acked(1, 2));
    member.up.step(acked(1, 2, "n3"));
    member.up.step(beatAnswered(1, member.up.round));
    member.settle();
    expect([member.up.commitIndex, member.up.lastIndex]).toEqual([2, 2]);
    member.up.setDiskFull(false);
    member.settle();
    expect([member.up.lastIndex, member.up.conf.votersOutgoing]).toEqual([3, []]);
  });
});
