import { describe, expect, test } from "vitest";
import type { RaftMessage } from "../../src/raft/messages.ts";
import { Cluster, dataOf } from "./cluster.ts";
import {
  acked,
  allOf,
  beatAnswered,
  heartbeat,
  leaderOver,
  memberOf,
  ofTerm,
  only,
  requestVote,
  told,
} from "./conversation.ts";

const id = (counter: number) => ({ start: 1, counter });

describe("dissertation 9.6 PreVote", () => {
  test("a trial changes neither term nor vote, of who asks or who answers (pitfall 9)", () => {
    const cluster = Cluster.of(3);
    cluster.isolate("n1");
    cluster.raft("n1").tick();
    for (let tick = 0; tick < 100; tick++) {
      cluster.raft("n1").tick();
      cluster.settle();
    }
    expect(cluster.raft("n1")).toMatchObject({ role: "preCandidate", term: 0 });
    const asked = memberOf([1]);
    asked.up.step(told({ type: "preVote", term: 7, lastLogIndex: 9, lastLogTerm: 6 }));
    expect(only(asked.drain(), "preVoteResponse")).toMatchObject({ granted: true, term: 7 });
    expect([asked.up.term, asked.writing]).toEqual([1, null]);
  });

  test("a node that was cut off comes back without deposing the leader", () => {
    const cluster = Cluster.of(3);
    cluster.elect("n1");
    cluster.isolate("n3");
    cluster.tick(200);
    cluster.heal();
    cluster.tick(50);
    expect(cluster.leaders().map((leader) => `${leader.id} ${leader.term}`)).toEqual(["n1 1"]);
    expect(cluster.raft("n3").leader).toBe("n1");
  });

  test("a pre-candidate of a lower term learns the term from the refusal (pitfall 9)", () => {
    const cluster = Cluster.of(3, [[1], [1, 1], [1]]);
    cluster.member("n3").crash("nothing");
    cluster.raft("n1").step(ofTerm(6));
    // n1 has the higher term, n2 the longer log: only n2 can win, and only past n1's term.
    const leader = cluster.elect("n2");
    expect(leader.term).toBe(7);
  });

  test("a stale grant of another term is not counted", () => {
    const member = memberOf([1, 4]);
    member.tick(10);
    member.up.step(told({ type: "preVoteResponse", term: 4, granted: true }));
    expect(member.up.role).toBe("preCandidate");
    member.up.step(told({ type: "preVoteResponse", term: 5, granted: true }));
    expect(member.up.role).toBe("candidate");
  });

  test("while term or vote wait for a slow disk, timeouts raise no further term", () => {
    const member = memberOf([1]);
    member.tick(10);
    member.up.step(told({ type: "preVoteResponse", term: 2, granted: true }));
    member.drain();
    member.tick(100);
    expect([member.up.role, member.up.term, member.drain()]).toEqual(["candidate", 2, []]);
    member.persist();
    member.tick(9);
    expect(member.up.role).toBe("candidate");
    member.tick();
    expect(member.up.role).toBe("preCandidate");
  });
});

describe("dissertation 4.2.3 stickiness", () => {
  const requests: RaftMessage[] = [
    requestVote(9, 9, 8, "n3"),
    told({ type: "preVote", term: 9, lastLogIndex: 9, lastLogTerm: 8 }, "n3"),
  ];

  test("who has heard the leader within the least timeout helps nobody against it", () => {
    const member = memberOf([1]);
    member.up.step(heartbeat(1));
    member.settle();
    member.tick(9);
    for (const request of requests) member.up.step(request);
    expect(member.settle()).toMatchObject([{ type: "preVoteResponse", granted: false, term: 1 }]);
    expect(member.up.term).toBe(1);
  });

  test("and does so after it", () => {
    const member = memberOf([1], {}, { random: () => 10 });
    member.up.step(heartbeat(1));
    member.settle();
    member.tick(10);
    for (const request of requests) member.up.step(request);
    expect(member.settle()).toMatchObject([
      { type: "preVoteResponse", granted: true, term: 9 },
      { type: "requestVoteResponse", granted: true, term: 9 },
    ]);
  });

  test("a leader has always heard itself", () => {
    const member = leaderOver([1]);
    member.settle();
    for (const request of requests) member.up.step(request);
    expect([member.up.role, member.up.term]).toEqual(["leader", 2]);
    expect(only(member.settle(), "preVoteResponse").granted).toBe(false);
  });

  test("the leader's own trial is not refused on its own behalf (pitfall 11)", () => {
    const member = memberOf([1]);
    member.up.step(heartbeat(1));
    member.up.step(told({ type: "preVote", term: 2, lastLogIndex: 1, lastLogTerm: 1 }));
    expect(only(member.settle(), "preVoteResponse").granted).toBe(true);
  });

  test("a node stuck in a higher term is taken along by the next election (pitfall 11)", () => {
    const cluster = Cluster.of(3);
    cluster.elect("n1");
    const stuck = ofTerm(5);
    cluster.raft("n3").step({ ...stuck, to: "n3" });
    cluster.tick(60);
    const [leader] = cluster.leaders();
    expect(leader?.term).toBeGreaterThan(5);
    expect(cluster.members.map(({ up }) => up.leader)).toEqual(new Array(3).fill(leader?.id));
  });
});

describe("dissertation 6.2 CheckQuorum", () => {
  test("a leader that no quorum answers for an election timeout steps down in its term", () => {
    const member = leaderOver([1]);
    member.settle();
    member.tick(19);
    expect(member.up.role).toBe("leader");
    member.tick();
    expect([member.up.role, member.up.term, member.up.leader]).toEqual(["follower", 2, null]);
  });

  test("any quorum keeps it", () => {
    const member = leaderOver([1]);
    for (let tick = 0; tick < 100; tick++) {
      member.tick();
      member.settle();
      member.up.step(beatAnswered(2, member.up.round, tick < 50 ? "n2" : "n3"));
    }
    expect(member.up.role).toBe("leader");
  });

  test("a leader that sends but cannot hear gives way (pitfall 12)", () => {
    const cluster = Cluster.of(3);
    cluster.elect("n1");
    cluster.passes = ({ to }) => to !== "n1";
    cluster.tick(100);
    expect(cluster.leaders().map((leader) => leader.id)).not.toContain("n1");
    expect(cluster.leaders()).toHaveLength(1);
  });

  test("one broken link between two of three changes no leader (pitfall 12)", () => {
    const cluster = Cluster.of(3);
    cluster.elect("n1");
    cluster.passes = (message) => !Cluster.isBetween(message, "n1", "n3");
    cluster.tick(300);
    expect(cluster.leaders().map(({ id, term }) => `${id} ${term}`)).toEqual(["n1 1"]);
  });
});

describe("dissertation 6.4 reads without the log", () => {
  test("a read is answered by a quorum round that began after it came (pitfall 41)", () => {
    const member = leaderOver();
    member.settle();
    member.up.step(acked(1, 1));
    expect(member.up.beginRound()).toBe(1);
    member.settle();
    member.up.readIndex(id(1));
    const [second] = allOf(member.settle(), "heartbeat");
    expect(second?.round).toBe(2);
    member.up.step(beatAnswered(1, 1));
    member.settle();
    expect([member.up.confirmedRound, member.readStates]).toEqual([1, []]);
    member.up.step(beatAnswered(1, 2));
    member.settle();
    expect(member.readStates).toEqual([{ id: id(1), index: 1 }]);
  });

  test("all reads of a turn share a round, and those that come while it is out share the next", () => {
    const member = leaderOver();
    member.settle();
    member.up.step(acked(1, 1));
    member.settle();
    const rounds = (): number[] => allOf(member.settle(), "heartbeat").map(({ round }) => round);
    for (const counter of [1, 2, 3]) member.up.readIndex(id(counter));
    expect(rounds()).toEqual([1, 1]);
    for (const counter of [4, 5]) member.up.readIndex(id(counter));
    expect(rounds()).toEqual([]);
    member.up.step(beatAnswered(1, 1));
    expect(rounds()).toEqual([2, 2]);
    expect(member.readStates.map((read) => read.id.counter)).toEqual([1, 2, 3]);
    member.up.step(beatAnswered(1, 2, "n3"));
    member.settle();
    expect(member.readStates.map((read) => read.id.counter)).toEqual([1, 2, 3, 4, 5]);
  });

  test("reads that wait for a lost round go with the next heartbeat", () => {
    const member = leaderOver();
    member.settle();
    member.up.step(acked(1, 1));
    member.up.readIndex(id(1));
    member.settle();
    member.up.readIndex(id(2));
    member.tick(2);
    member.settle();
    member.up.step(beatAnswered(1, 2));
    member.settle();
    expect(member.readStates.map((read) => read.id.counter)).toEqual([1, 2]);
  });

  test("no read before an entry of the leader's own term is committed (pitfall 39)", () => {
    const member = leaderOver([1]);
    member.up.readIndex(id(1));
    member.up.beginRound();
    member.settle();
    member.up.step(beatAnswered(2, 1));
    member.settle();
    expect([member.up.confirmedRound, member.readStates]).toEqual([1, []]);
    member.up.step(acked(2, 2));
    member.settle();
    member.up.step(beatAnswered(2, 2));
    member.settle();
    expect(member.readStates).toEqual([{ id: id(1), index: 2 }]);
  });

  test("its index is what was committed when the round began, not what the read found", () => {
    const cluster = Cluster.of(3);
    const leader = cluster.elect("n1");
    leader.readIndex(id(1));
    leader.propose("commands", dataOf(1));
    cluster.settle();
    expect(cluster.member("n1").readStates).toEqual([{ id: id(1), index: 1 }]);
  });

  test("an answer to a later round confirms the earlier ones, a late one takes nothing back", () => {
    const member = leaderOver();
    member.settle();
    for (let round = 1; round <= 3; round++) {
      expect(member.up.beginRound()).toBe(round);
      member.settle();
    }
    member.up.step(beatAnswered(1, 3));
    expect(member.up.confirmedRound).toBe(3);
    member.up.step(beatAnswered(1, 1));
    expect(member.up.confirmedRound).toBe(3);
  });

  test("until a round has left, it is still the round of whoever asks", () => {
    const member = leaderOver();
    member.settle();
    expect([member.up.beginRound(), member.up.beginRound()]).toEqual([1, 1]);
    member.settle();
    expect(member.up.beginRound()).toBe(2);
  });

  test("a round is begun by a leader, and by nobody else", () => {
    const member = memberOf([1]);
    member.up.step(heartbeat(4));
    member.settle();
    expect(member.up.beginRound()).toBe(0);
    expect(member.settle()).toEqual([]);
  });

  test("a follower's read carries the leader's index, and needs a leader", () => {
    const cluster = Cluster.of(3);
    expect(cluster.raft("n2").readIndex(id(1))).toBe(false);
    cluster.elect("n1");
    expect(cluster.raft("n2").readIndex(id(2))).toBe(true);
    cluster.settle();
    expect(cluster.member("n2").readStates).toEqual([{ id: id(2), index: 1 }]);
  });

  test("a follower takes answers of this term's leader only", () => {
    const member = memberOf([1]);
    member.up.step(heartbeat(4));
    member.settle();
    const answer = { type: "readIndexResponse", id: id(1), index: 0 } as const;
    member.up.step(told({ ...answer, term: 3 }));
    member.up.step(told({ ...answer, term: 4 }, "n3"));
    member.settle();
    expect(member.readStates).toEqual([]);
    member.up.step(told({ ...answer, term: 4 }));
    member.settle();
    expect(member.readStates).toHaveLength(1);
  });

  test("a leader that was deposed answers no read that it took (pitfall 42)", () => {
    const member = leaderOver();
    member.settle();
    member.up.step(acked(1, 1));
    member.up.readIndex(id(1));
    member.settle();
    member.up.step(heartbeat(2));
    member.up.step(beatAnswered(1, 1, "n3"));
    member.settle();
    expect(member.readStates).toEqual([]);
    expect([member.up.round, member.up.confirmedRound]).toEqual([0, 0]);
  });

  test("an old leader that is cut off confirms nothing (pitfall 44)", () => {
    const cluster = Cluster.of(3);
    cluster.elect("n1");
    cluster.isolate("n1");
    cluster.raft("n1").readIndex(id(1));
    cluster.tick(15);
    expect(cluster.raft("n1").role).toBe("leader");
    expect(cluster.member("n1").readStates).toEqual([]);
  });
});
