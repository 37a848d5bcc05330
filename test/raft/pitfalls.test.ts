import { describe, expect, test } from "vitest";
import { describeMessage } from "../../src/raft/describe.ts";
import type { RaftMessage } from "../../src/raft/messages.ts";
import { Raft } from "../../src/raft/raft.ts";
import type { Term } from "../../src/raft/types.ts";
import { AssertionError } from "../../src/util/assert.ts";
import { Cluster, configOf, dataOf, entriesOf, votersConf } from "./cluster.ts";
import {
  acked,
  allOf,
  append,
  leaderOver,
  memberOf,
  ofTerm,
  only,
  requestVote,
  termsOf,
  told,
} from "./conversation.ts";
import { snapshotOf } from "./disk.ts";

/** Bugs that Raft implementations have had; numbered as in the catalogue of pitfalls. */

const REJECTION = {
  type: "appendEntriesResponse",
  term: 2,
  success: false,
  lostIndex: 0,
} as const;

describe("elections", () => {
  test("7: a request that is refused does not put off this node's own election", () => {
    const member = memberOf([1, 1]);
    member.tick(8);
    member.up.step(requestVote(2, 1, 1));
    member.settle();
    member.tick(2);
    expect(member.up.role).toBe("preCandidate");
  });

  test("7: one that is granted does", () => {
    const member = memberOf([1, 1]);
    member.tick(8);
    member.up.step(requestVote(2, 2, 1));
    member.settle();
    member.tick(9);
    expect(member.up.role).toBe("follower");
  });

  test("4: a vote in a term that was durable before is written down as well", () => {
    const member = memberOf([1]);
    member.up.step(requestVote(1, 1, 1));
    member.settle();
    expect(member.disk.hardState).toEqual({ term: 1, vote: "n2" });
  });

  test("19: a node in no configuration starts no election, and its answers count for nothing", () => {
    const stranger = new Raft(configOf("n9"), {
      hardState: { term: 0, vote: null },
      snapshot: { index: 0, term: 0, conf: votersConf(["n1", "n2", "n3"]) },
      logStart: { index: 0, term: 0 },
      entries: [],
      commitIndex: 0,
      lostEnd: null,
    });
    for (let tick = 0; tick < 100; tick++) stranger.tick();
    expect(stranger.ready().messages).toEqual([]);
    const member = memberOf([1]);
    member.tick(10);
    member.up.step(told({ type: "preVoteResponse", term: 2, granted: true }, "n9"));
    member.up.step(told({ type: "preVoteResponse", term: 9, granted: false }, "n9"));
    expect([member.up.role, member.up.term]).toEqual(["preCandidate", 1]);
  });

  test("a message for another is nobody's here, nor is an echo", () => {
    const member = memberOf([1]);
    const request = requestVote(5, 9, 4);
    member.up.step({ ...request, to: "n3" });
    member.up.step({ ...request, from: "n1" });
    expect([member.up.term, member.settle()]).toEqual([1, []]);
  });

  test("a heartbeat of a lower term, answered, says nothing of a later term's rounds", () => {
    const cluster = Cluster.of(3);
    cluster.elect("n1");
    cluster.tick(40);
    const answers: RaftMessage[] = [];
    // n3 learns of term 2 and so refuses n1's last heartbeat of term 1, late.
    cluster.raft("n3").step({ ...ofTerm(2), to: "n3" });
    cluster
      .raft("n3")
      .step({ type: "heartbeat", from: "n1", to: "n3", term: 1, commitIndex: 1, round: 20 });
    answers.push(...cluster.member("n3").settle());
    const leader = leaderOver([1]);
    leader.settle();
    expect(answers.length).toBeGreaterThan(0);
    for (const answer of answers) leader.up.step(answer);
    expect([leader.up.term, leader.up.confirmedRound]).toEqual([2, 0]);
    expect(
      leader.up.progress().map(({ matchIndex, nextIndex }) => [matchIndex, nextIndex]),
    ).toEqual([
      [0, 2],
      [0, 2],
    ]);
  });
});

describe("replication", () => {
  test("21: an append is acknowledged when it is durable, a repeated one no sooner", () => {
    const member = memberOf([1]);
    member.up.step(append(1, 1, 1, [1, 1]));
    expect(member.drain()).toEqual([]);
    member.up.step(append(1, 1, 1, [1, 1]));
    expect(only(member.drain(), "appendEntriesResponse")).toMatchObject({ matchIndex: 1 });
    member.persist();
    expect(only(member.drain(), "appendEntriesResponse")).toMatchObject({ matchIndex: 3 });
  });

  test("22: a leader counts itself up to its own disk", () => {
    const member = leaderOver([1]);
    const sent = allOf(member.drain(), "appendEntries");
    expect(sent.map(({ entries }) => entries.length)).toEqual([1, 1]);
    member.up.step(acked(2, 2));
    expect(member.up.commitIndex).toBe(0);
    member.persist();
    expect(member.up.commitIndex).toBe(2);
  });

  test("22: and is not needed where a majority without it has the entry", () => {
    const member = leaderOver([1]);
    member.drain();
    member.up.step(acked(2, 2, "n2"));
    member.up.step(acked(2, 2, "n3"));
    expect([member.up.commitIndex, member.up.durableIndex]).toEqual([2, 1]);
  });

  test("24: a message that was overtaken cuts nothing off", () => {
    const member = memberOf([1]);
    member.up.step(append(1, 1, 1, [1, 1, 1]));
    member.up.step(append(1, 1, 1, [1]));
    member.up.step(append(1, 2, 1, []));
    expect(termsOf(member)).toEqual([1, 1, 1, 1]);
  });

  test("24: a conflict cuts off the tail from there", () => {
    const member = memberOf([1, 2, 2, 2]);
    member.up.step(append(3, 1, 1, [2, 3]));
    expect(termsOf(member)).toEqual([1, 2, 3]);
  });

  test("25: a conflict with what is committed stops the node", () => {
    const member = memberOf([1, 1]);
    member.up.step(append(1, 2, 1, [], 2));
    expect(member.up.commitIndex).toBe(2);
    expect(() => member.up.step(append(3, 1, 1, [3]))).toThrow(AssertionError);
    expect(() => member.up.step(append(3, 2, 3, []))).toThrow(AssertionError);
  });

  test("26: no more is committed than the message has shown to be the leader's", () => {
    const member = memberOf([1, 1, 1, 1]);
    member.up.step(append(2, 1, 1, [1], 9));
    expect(member.up.commitIndex).toBe(2);
  });

  test("27: a heartbeat tells no commit past what that peer has", () => {
    const member = leaderOver([1]);
    member.settle();
    member.up.step(acked(2, 2, "n2"));
    member.tick(2);
    const commits = allOf(member.settle(), "heartbeat").map(({ to, commitIndex }) => [
      to,
      commitIndex,
    ]);
    expect(commits).toEqual([
      ["n2", 2],
      ["n3", 0],
    ]);
  });

  test("30: an answer that tells nothing new sends nothing", () => {
    const member = leaderOver([1], { inflightEntriesMax: 2 });
    member.settle();
    member.up.step(acked(2, 2));
    for (let value = 0; value < 20; value++) member.up.propose("commands", dataOf(value));
    member.settle();
    for (let time = 0; time < 50; time++) {
      member.up.step(acked(2, 2));
      member.up.step(acked(2, 1));
      member.up.step(told({ ...REJECTION, prevLogIndex: 1, hintIndex: 1, hintTerm: 1 }));
      member.up.step(ofTerm(2));
    }
    expect(member.settle().map(describeMessage)).toEqual([]);
  });

  test("30: of a window that was rejected message by message, one probe is left", () => {
    const member = leaderOver([1], { appendBytesMax: 4 });
    member.settle();
    member.up.step(acked(2, 2));
    for (let value = 0; value < 20; value++) member.up.propose("commands", dataOf(value));
    expect(allOf(member.settle(), "appendEntries").length).toBe(20);
    for (let prevLogIndex = 3; prevLogIndex < 22; prevLogIndex++) {
      member.up.step(told({ ...REJECTION, prevLogIndex, hintIndex: 2, hintTerm: 2 }));
    }
    const probes = allOf(member.settle(), "appendEntries");
    expect(probes.map(({ prevLogIndex }) => prevLogIndex)).toEqual([2]);
  });

  test("33: a completed write does not vouch for what was cut and appended meanwhile", () => {
    const member = memberOf([1]);
    member.up.step(append(1, 1, 1, [1, 1]));
    member.drain();
    member.up.step(append(2, 1, 1, [2, 2]));
    expect(member.drain()).toEqual([]);
    member.persist();
    expect([member.up.lastIndex, member.up.durableIndex]).toEqual([3, 1]);
    expect(member.drain()).toEqual([]);
    member.persist();
    const answers = allOf(member.drain(), "appendEntriesResponse");
    expect(answers).toMatchObject([{ matchIndex: 1 }, { term: 2, matchIndex: 3 }]);
  });

  test("33: what a former leader left is durable, and yet not vouched for to the next", () => {
    const member = memberOf([1, 1, 2, 2]);
    member.up.step(append(3, 1, 1, [1]));
    expect(only(member.settle(), "appendEntriesResponse")).toMatchObject({ matchIndex: 2 });
  });

  test("34: one write at a time, and only the one that is out can complete", () => {
    const member = memberOf([1]);
    member.up.step(append(2, 1, 1, [2]));
    const first = member.up.ready().persist;
    expect(first).toMatchObject({ write: 1, hardState: { term: 2 }, commitIndex: 0 });
    member.up.step(append(2, 2, 2, [2]));
    expect(member.up.ready().persist).toBeNull();
    expect(() => member.up.persisted(2)).toThrow(AssertionError);
    member.up.persisted(1);
    const second = member.up.ready().persist;
    expect(second).toMatchObject({ write: 2, hardState: null });
    expect(second?.entries.map(({ index }) => index)).toEqual([3]);
  });

  test("36: a link that comes up is tried from what is known, one message first", () => {
    const cluster = Cluster.of(3);
    const leader = cluster.elect("n1");
    leader.peerLink("n2", false);
    for (let value = 0; value < 5; value++) leader.propose("commands", dataOf(value));
    const member = cluster.member("n1");
    const toN2 = (): number[] =>
      allOf(member.settle(), "appendEntries").flatMap(({ to, prevLogIndex }) =>
        to === "n2" ? [prevLogIndex] : [],
      );
    expect(toN2()).toEqual([]);
    leader.peerLink("n2", true);
    expect(toN2()).toEqual([1]);
    leader.peerLink("n2", true);
    cluster.settle();
    expect(cluster.raft("n2").lastIndex).toBe(6);
  });

  test("a start asserts that what was restored can be", () => {
    const restored = (entries: ReturnType<typeof entriesOf>, term: Term) => () =>
      new Raft(configOf("n1"), {
        hardState: { term, vote: null },
        snapshot: { index: 0, term: 0, conf: votersConf(["n1"]) },
        logStart: { index: 0, term: 0 },
        entries,
        commitIndex: 0,
        lostEnd: null,
      });
    expect(restored(entriesOf([1, 2]), 2)).not.toThrow();
    expect(restored(entriesOf([1, 2]), 1)).toThrow(AssertionError);
    expect(restored(entriesOf([1, 2], 2), 2)).toThrow(AssertionError);
    expect(
      () =>
        new Raft(configOf("n1", { electionTicksMin: 1 }), {
          hardState: { term: 0, vote: null },
          snapshot: { index: 0, term: 0, conf: votersConf(["n1"]) },
          logStart: { index: 0, term: 0 },
          entries: [],
          commitIndex: 0,
          lostEnd: null,
        }),
    ).toThrow(AssertionError);
  });

  test("what was stored as committed is applied at once, without a leader", () => {
    const restored = (commitIndex: number) => ({
      hardState: { term: 2, vote: null },
      snapshot: { index: 0, term: 0, conf: votersConf(["n1", "n2", "n3"]) },
      logStart: { index: 0, term: 0 },
      entries: entriesOf([1, 2, 2]),
      commitIndex,
      lostEnd: null,
    });
    const raft = new Raft(configOf("n1"), restored(2));
    expect(raft.ready().committed.map(({ index }) => index)).toEqual([1, 2]);
    expect(() => new Raft(configOf("n1"), restored(4))).toThrow(AssertionError);
  });

  test("a log after a snapshot goes on from it, and takes messages that reach into it", () => {
    const raft = new Raft(configOf("n1"), {
      hardState: { term: 2, vote: null },
      snapshot: snapshotOf(10, 2),
      logStart: { index: 10, term: 2 },
      entries: entriesOf([2], 11),
      commitIndex: 0,
      lostEnd: null,
    });
    expect([raft.commitIndex, raft.lastIndex]).toEqual([10, 11]);
    raft.step(append(2, 8, 1, [2, 2, 2, 2], 11));
    expect([raft.commitIndex, raft.lastIndex]).toEqual([11, 12]);
    expect(raft.ready().committed.map(({ index }) => index)).toEqual([11]);
  });
});

test("a message and its entries are one readable line", () => {
  const member = leaderOver([1]);
  const lines = member.drain().map(describeMessage);
  expect(lines).toEqual([
    "n1>n2 t2 appendEntries after 1@1 [2@2 noop 0B] commit 0",
    "n1>n3 t2 appendEntries after 1@1 [2@2 noop 0B] commit 0",
  ]);
  expect(describeMessage(told({ ...REJECTION, prevLogIndex: 9, hintIndex: 4, hintTerm: 1 }))).toBe(
    "n2>n1 t2 appendEntriesResponse no 9, perhaps 4@1",
  );
});
