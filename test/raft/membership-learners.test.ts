import { describe, expect, test } from "vitest";
import type { RaftMessage } from "../../src/raft/messages.ts";
import { configOf, dataOf, Member } from "./cluster.ts";
import { only, requestVote, told } from "./conversation.ts";
import {
  adds,
  appendConfs,
  changes,
  confEntry,
  joins,
  promotes,
  removes,
  shown,
  three,
  without,
} from "./members.ts";

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

  test("a learner is not handed the leadership, however well it has caught up", () => {
    const cluster = three();
    const leader = cluster.raft("n1");
    changes(cluster, leader, adds("n4"));
    cluster.tick(4);
    const refusal = { isStarted: false, reason: "notVoter" };
    expect(leader.transferLeadership("n4")).toEqual(refusal);
  });

  test("a learner answers who asks it all the same: it may be a voter and not know (pitfall 18)", () => {
    const learner = new Member(configOf("n1"), ["n2", "n3"]);
    learner.up.step(appendConfs(1, 0, [confEntry(1, 1, ["n2", "n3"], [], ["n1"])]));
    learner.settle();
    learner.tick(10);
    learner.up.step(requestVote(2, 5, 1));
    expect(only(learner.settle(), "requestVoteResponse").granted).toBe(true);
  });

  test("a learner that is counted on and has most of the log is elected, and hands over", () => {
    const cluster = three(1);
    const old = cluster.raft("n1");
    changes(cluster, old, adds("n4"));
    cluster.tick(4);
    // Nobody but n1 hears that n4 is a voter; nobody but n4 has an entry of the next leader, n3.
    cluster.isolate("n1");
    changes(cluster, old, promotes("n4"));
    cluster.tick(10);
    const passesNoEntries = ({ type, from, to }: RaftMessage): boolean =>
      from !== "n1" && to !== "n1" && (type !== "appendEntries" || to === "n4");
    cluster.passes = passesNoEntries;
    cluster.elect("n3");
    expect([old.lastIndex, cluster.raft("n4").lastIndex, cluster.raft("n2").lastIndex]).toEqual([
      ...[3, 3, 2],
    ]);
    cluster.member("n3").crash("nothing");
    const taken: unknown[] = [];
    cluster.passes = ({ type, from }) => {
      // With a proposal behind its no-op nobody would have all of its log when it goes.
      const raft = cluster.raft("n4");
      if (type === "appendEntries" && from === "n4")
        taken.push(raft.propose("commands", dataOf(9)));
      return true;
    };
    cluster.tick(100);
    expect(new Set(taken)).toEqual(new Set([null]));
    expect(cluster.leaders().map(({ id }) => id)).toEqual([expect.stringMatching(/^n[12]$/)]);
    expect(cluster.raft("n2").lastIndex).toBeGreaterThan(3);
    for (const id of ["n1", "n2", "n4"]) {
      expect(shown(cluster.raft(id).conf)).toBe("n1 n2 n3 / n4");
      expect(cluster.raft(id).commitIndex).toBe(cluster.raft("n2").commitIndex);
    }
    expect(cluster.raft("n4").isRemoved).toBe(false);
  });

  test("a learner that is counted on disturbs no leader, and nobody once it has heard one", () => {
    const learner = new Member(configOf("n1"), ["n2", "n3"]);
    const member = confEntry(1, 1, ["n2", "n3"], [], ["n1"]);
    learner.up.step(appendConfs(1, 0, [member]));
    learner.settle();
    const asks = (lastLogIndex: number, lastLogTerm: number): RaftMessage =>
      told({ type: "preVote", term: 3, lastLogIndex, lastLogTerm }, "n3");
    const preVotes = (): number => {
      let asked = 0;
      for (let ticks = 0; ticks < 40; ticks += 1) {
        learner.tick(1);
        asked += learner.settle().filter(({ type }) => type === "preVote").length;
      }
      return asked;
    };
    // It hears n2.
    learner.up.step(asks(0, 0));
    expect(preVotes()).toBe(0);
    // Who has as much of the log needs its vote, and not its candidacy.
    learner.up.step(asks(1, 1));
    expect(preVotes()).toBe(0);
    learner.up.step(asks(0, 0));
    expect(preVotes()).toBeGreaterThan(0);
    learner.up.step(appendConfs(1, 0, [member]));
    learner.settle();
    expect(preVotes()).toBe(0);
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

  test("one that was removed and is added again is believed to have nothing", () => {
    const cluster = three();
    const leader = cluster.raft("n1");
    const matchIndex = () => leader.progress().find(({ id }) => id === "n4")?.matchIndex;
    changes(cluster, leader, adds("n4"));
    cluster.tick(4);
    expect(matchIndex()).toBe(2);
    // It comes back with an empty disk, within the time in which who is leaving is still followed.
    cluster.isolate("n4");
    changes(cluster, leader, removes("n4"));
    changes(cluster, leader, adds("n4"));
    expect(matchIndex()).toBe(0);
    expect(leader.proposeConf(promotes("n4"))).toMatchObject({ reason: "behind", matchIndex: 0 });
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
