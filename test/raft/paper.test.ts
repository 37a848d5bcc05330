import { describe, expect, test } from "vitest";
import type { RaftMessage } from "../../src/raft/messages.ts";
import type { Term } from "../../src/raft/types.ts";
import { AssertionError } from "../../src/util/assert.ts";
import { Cluster, chanceFrom, dataOf } from "./cluster.ts";
import {
  allOf,
  append,
  heartbeat,
  leaderOver,
  memberOf,
  ofTerm,
  only,
  requestVote,
  termsOf,
  told,
} from "./conversation.ts";

describe("§5.1 terms", () => {
  test("a leader that sees a higher term follows, in that term", () => {
    const member = leaderOver([1]);
    member.up.step(told({ type: "heartbeatResponse", term: 9, round: 1 }));
    expect([member.up.role, member.up.term, member.up.leader]).toEqual(["follower", 9, null]);
  });

  test("a candidate that sees a higher term follows", () => {
    const member = memberOf();
    member.tick(10);
    member.up.step(told({ type: "preVoteResponse", term: 1, granted: true }));
    expect(member.up.role).toBe("candidate");
    member.up.step(told({ type: "requestVoteResponse", term: 5, granted: false }, "n3"));
    expect([member.up.role, member.up.term]).toEqual(["follower", 5]);
  });

  test("requests of a lower term change nothing, and their sender is told the term", () => {
    const member = memberOf([1, 5]);
    const before = termsOf(member);
    for (const message of [requestVote(3, 9, 3), append(3, 0, 0, [3, 3]), heartbeat(3)]) {
      member.up.step(message);
      const [answer] = member.settle();
      expect(answer).toMatchObject({ to: "n2", term: 5 });
    }
    expect([member.up.term, member.up.leader, termsOf(member)]).toEqual([5, null, before]);
  });

  test("answers of a lower term are not counted", () => {
    const member = memberOf();
    for (let term = 1; term <= 2; term++) {
      member.tick(10);
      member.up.step(told({ type: "preVoteResponse", term, granted: true }));
      member.settle();
    }
    expect([member.up.role, member.up.term]).toEqual(["candidate", 2]);
    member.up.step(told({ type: "requestVoteResponse", term: 1, granted: true }));
    expect(member.up.role).toBe("candidate");
    member.up.step(told({ type: "requestVoteResponse", term: 2, granted: true }));
    expect(member.up.role).toBe("leader");
  });

  test("nothing of a term leaves before the term is durable", () => {
    const member = memberOf([1]);
    member.up.step(heartbeat(4));
    expect(member.drain()).toEqual([]);
    expect(member.writing?.hardState).toEqual({ term: 4, vote: null });
    member.persist();
    expect(only(member.drain(), "heartbeatResponse")).toMatchObject({ term: 4, round: 1 });
  });

  test("what waited for a term that is over is never said", () => {
    const member = memberOf([1]);
    member.up.step(heartbeat(4));
    member.drain();
    member.up.step(heartbeat(6, 3));
    member.persist();
    expect(member.drain()).toEqual([]);
    member.persist();
    expect(only(member.drain(), "heartbeatResponse")).toMatchObject({ term: 6, round: 3 });
  });
});

describe("§5.2 leader election", () => {
  test("a start is a follower that knows no leader, in the term that it had", () => {
    const member = memberOf([1, 3]);
    expect([member.up.role, member.up.term, member.up.leader]).toEqual(["follower", 3, null]);
  });

  test("who hears nothing for a timeout votes for itself, and asks once that is durable", () => {
    const member = memberOf([1]);
    member.tick(10);
    member.up.step(told({ type: "preVoteResponse", term: 2, granted: true }));
    expect([member.up.role, member.up.term]).toEqual(["candidate", 2]);
    expect(allOf(member.drain(), "requestVote")).toEqual([]);
    expect(member.writing?.hardState).toEqual({ term: 2, vote: "n1" });
    member.persist();
    expect(allOf(member.drain(), "requestVote").map(({ to }) => to)).toEqual(["n2", "n3"]);
  });

  test("its own vote counts no sooner than that", () => {
    const member = memberOf([1]);
    member.tick(10);
    member.up.step(told({ type: "preVoteResponse", term: 2, granted: true }));
    member.drain();
    member.up.step(told({ type: "requestVoteResponse", term: 2, granted: true }));
    expect(member.up.role).toBe("candidate");
    member.persist();
    expect(member.up.role).toBe("leader");
  });

  test("one vote a term, first come first served, the same again to who asks again", () => {
    const member = memberOf([1]);
    member.up.step(requestVote(2, 1, 1, "n2"));
    member.up.step(requestVote(2, 1, 1, "n3"));
    member.up.step(requestVote(2, 1, 1, "n2"));
    const answers = allOf(member.settle(), "requestVoteResponse");
    const told = answers.map(({ to, granted }) => `${to} ${granted}`).sort();
    expect(told).toEqual(["n2 true", "n2 true", "n3 false"]);
    expect(member.disk.hardState).toEqual({ term: 2, vote: "n2" });
  });

  test("a vote leaves only when it is durable, and outlives a crash", () => {
    const member = memberOf([1]);
    member.up.step(requestVote(2, 1, 1, "n2"));
    expect(member.drain()).toEqual([]);
    member.persist();
    expect(only(member.drain(), "requestVoteResponse").granted).toBe(true);
    member.crash("nothing");
    member.start();
    member.up.step(requestVote(2, 1, 1, "n3"));
    expect(only(member.settle(), "requestVoteResponse").granted).toBe(false);
  });

  test("a majority elects, and no fewer", () => {
    const cluster = Cluster.of(5);
    cluster.isolate("n1", "n2");
    expect(() => cluster.elect("n1")).toThrow("n1 was not elected");
    cluster.isolate("n1", "n2", "n3");
    cluster.elect("n1");
    expect(cluster.raft("n3").leader).toBe("n1");
  });

  test("a candidate that hears the leader of its term follows it", () => {
    const member = memberOf();
    member.tick(10);
    member.up.step(told({ type: "preVoteResponse", term: 1, granted: true }));
    member.up.step(append(1, 0, 0, [1]));
    expect([member.up.role, member.up.leader, member.up.lastIndex]).toEqual(["follower", "n2", 1]);
  });

  test("a candidate refused by a majority waits for its next timeout", () => {
    const member = memberOf();
    member.tick(10);
    member.up.step(told({ type: "preVoteResponse", term: 1, granted: true }));
    member.settle();
    for (const from of ["n2", "n3"]) {
      member.up.step(told({ type: "requestVoteResponse", term: 1, granted: false }, from));
    }
    expect([member.up.role, member.up.term]).toEqual(["follower", 1]);
  });

  test("each election draws a new timeout within its bounds (pitfall 8)", () => {
    const bounds: number[] = [];
    const random = (bound: number): number => {
      bounds.push(bound);
      return bounds.length % bound;
    };
    const member = memberOf([], {}, { random });
    const lengths: number[] = [];
    let ticks = 0;
    for (let elections = 0; elections < 5; ) {
      member.tick();
      ticks++;
      if (allOf(member.drain(), "preVote").length === 0) continue;
      lengths.push(ticks);
      ticks = 0;
      elections++;
    }
    expect(lengths).toEqual([11, 12, 13, 14, 15]);
    expect(new Set(bounds)).toEqual(new Set([11]));
  });

  test("a leader beats every heartbeatTicks, and keeps its followers", () => {
    const cluster = Cluster.of(3);
    cluster.elect("n1");
    cluster.tick(100);
    expect(cluster.leaders().map(({ id, term }) => `${id} ${term}`)).toEqual(["n1 1"]);
    const member = cluster.member("n1");
    member.tick(2);
    expect(allOf(member.drain(), "heartbeat").map(({ to }) => to)).toEqual(["n2", "n3"]);
  });

  test("two leaders in one term stop the node that sees both", () => {
    const member = leaderOver();
    expect(() => member.up.step(heartbeat(1))).toThrow(AssertionError);
    const follower = memberOf();
    follower.up.step(heartbeat(1));
    const other = told({ type: "heartbeat", term: 1, commitIndex: 0, round: 1 }, "n3");
    expect(() => follower.up.step(other)).toThrow(AssertionError);
  });

  test("whoever draws the same timeouts, somebody is elected in the end", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const chance = chanceFrom(seed);
      const cluster = Cluster.of(5);
      let ticks = 0;
      for (; cluster.leaders().length === 0 && ticks < 500; ticks++) {
        for (const member of cluster.members) if (chance(8) > 0) member.tick();
        if (ticks % 3 === 0) cluster.settle();
      }
      expect(ticks).toBeLessThan(500);
    }
  });
});

describe("§5.3 log replication", () => {
  test("an entry is committed once it is durable on a majority, and then everywhere", () => {
    const cluster = Cluster.of(3);
    const leader = cluster.elect("n1");
    const index = leader.propose("commands", dataOf(7));
    cluster.settle();
    expect(index).toBe(2);
    for (const member of cluster.members) {
      expect(member.committed.map(({ kind }) => kind)).toEqual(["noop", "commands"]);
      expect(member.committed[1]?.data).toEqual(dataOf(7));
    }
  });

  test("without a majority nothing is committed", () => {
    const cluster = Cluster.of(5);
    const leader = cluster.elect("n1");
    cluster.isolate("n1", "n2");
    leader.propose("commands", dataOf(7));
    cluster.settle();
    expect([leader.lastIndex, leader.commitIndex]).toEqual([2, 1]);
    cluster.heal();
    cluster.tick(4);
    expect(leader.commitIndex).toBe(2);
  });

  test("only a leader takes proposals", () => {
    expect(memberOf().up.propose("commands", dataOf(1))).toBeNull();
  });

  test("what does not follow on is rejected, with the place where the logs may still agree", () => {
    const member = memberOf([1, 1, 2, 2]);
    member.up.step(append(5, 9, 4, []));
    member.up.step(append(5, 4, 3, [5]));
    member.up.step(append(5, 3, 1, [5]));
    const answers = allOf(member.settle(), "appendEntriesResponse");
    expect(answers).toMatchObject([
      { success: false, prevLogIndex: 9, hintIndex: 4, hintTerm: 2 },
      { success: false, prevLogIndex: 4, hintIndex: 4, hintTerm: 2 },
      { success: false, prevLogIndex: 3, hintIndex: 2, hintTerm: 1 },
    ]);
  });

  test("Figure 7: every follower's log becomes the leader's, whatever it held", () => {
    const leaderLog = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
    const followers: Term[][] = [
      [1, 1, 1, 4, 4, 5, 5, 6, 6],
      [1, 1, 1, 4],
      [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
      [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
      [1, 1, 1, 4, 4, 4, 4],
      [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
    ];
    const cluster = Cluster.of(7, [leaderLog, ...followers]);
    cluster.tick(60);
    const leader = cluster.leaders()[0];
    const expected = leader === undefined ? [] : termsOf(cluster.member(leader.id));
    expect(expected.length).toBeGreaterThanOrEqual(11);
    for (const member of cluster.members) expect(termsOf(member)).toEqual(expected);
  });

  test.each([
    ["a", [1, 1, 1, 4, 4, 5, 5, 6, 6], 2],
    ["b", [1, 1, 1, 4], 2],
    ["c", [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6], 1],
    ["d", [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7], 1],
    ["e", [1, 1, 1, 4, 4, 4, 4], 2],
    ["f", [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3], 2],
  ])("Figure 7 (%s): a term is skipped with one message, not one an entry", (_, terms, probes) => {
    const cluster = Cluster.of(3, [
      [1, 1, 1, 4, 4, 5, 5, 6, 6, 6],
      terms,
      [1, 1, 1, 4, 4, 5, 5, 6, 6, 6],
    ]);
    cluster.isolate("n1", "n3");
    cluster.raft("n1").step(ofTerm(8));
    const leader = cluster.elect("n1");
    leader.peerLink("n2", true);
    let sent = 0;
    cluster.passes = (message) => {
      if (message.type === "appendEntries" && message.to === "n2" && message.entries.length > 0)
        sent++;
      return true;
    };
    cluster.settle();
    expect(termsOf(cluster.member("n2"))).toEqual([1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 9]);
    expect(sent).toBe(probes);
  });

  test("the in-flight window is kept to, and slides on with the answers", () => {
    const member = leaderOver([], { inflightEntriesMax: 4, appendBytesMax: 8 });
    member.settle();
    member.up.step(told({ type: "appendEntriesResponse", term: 1, success: true, matchIndex: 1 }));
    member.settle();
    for (let value = 0; value < 10; value++) member.up.propose("commands", dataOf(value));
    const sizes = (messages: readonly RaftMessage[]): number[][] =>
      allOf(messages, "appendEntries")
        .filter(({ to }) => to === "n2")
        .map(({ prevLogIndex, entries }) => [prevLogIndex, entries.length]);
    expect(sizes(member.settle())).toEqual([
      [1, 2],
      [3, 2],
    ]);
    member.up.step(told({ type: "appendEntriesResponse", term: 1, success: true, matchIndex: 3 }));
    expect(sizes(member.settle())).toEqual([[5, 2]]);
  });
});

describe("§5.4.1 election restriction", () => {
  test.each([
    { own: [1, 1], last: [2, 1], granted: true },
    { own: [1, 1], last: [3, 1], granted: true },
    { own: [1, 1], last: [1, 1], granted: false },
    { own: [1, 1], last: [1, 2], granted: true },
    { own: [1, 2], last: [9, 1], granted: false },
    { own: [], last: [0, 0], granted: true },
  ])("a log that ends in $own.length@$own answers one that ends at $last: $granted", (row) => {
    const [lastLogIndex = 0, lastLogTerm = 0] = row.last;
    const voter = memberOf(row.own);
    voter.up.step(requestVote(9, lastLogIndex, lastLogTerm));
    expect(only(voter.settle(), "requestVoteResponse").granted).toBe(row.granted);
    const asked = memberOf(row.own);
    asked.up.step(told({ type: "preVote", term: 9, lastLogIndex, lastLogTerm }));
    expect(only(asked.settle(), "preVoteResponse").granted).toBe(row.granted);
  });
});
