import { describe, expect, test } from "vitest";
import type { Member } from "./cluster.ts";
import { Cluster, dataOf } from "./cluster.ts";
import { allOf, heartbeat, memberOf, ofTerm, only, told } from "./conversation.ts";

/** n1 leads term 1, and its process has just been killed; nobody has noticed. */
function orphaned(size = 3): Cluster {
  const cluster = Cluster.of(size);
  cluster.elect("n1");
  cluster.tick(2);
  cluster.member("n1").crash("nothing");
  return cluster;
}

/** n1 of three, following n2 in term 1. */
function follower(random: (bound: number) => number = () => 0): Member {
  const member = memberOf([1], {}, { random });
  member.up.step(heartbeat(1));
  member.settle();
  return member;
}

const preVote = told({ type: "preVote", term: 2, lastLogIndex: 1, lastLogTerm: 1 }, "n3");

describe("a leader whose process is gone", () => {
  test("is replaced as soon as the first alarm rings, with no tick in between", () => {
    const cluster = orphaned();
    for (const id of ["n2", "n3"]) cluster.raft(id).peerGone("n1", true);
    cluster.settle();
    expect(cluster.leaders()).toEqual([]);
    cluster.member("n2").ring();
    cluster.settle();
    expect(cluster.leaders().map(({ id, term }) => `${id} ${term}`)).toEqual(["n2 2"]);
    expect(cluster.raft("n3").leader).toBe("n2");
  });

  test("is given 0 to 50 ms, then another 50 to 150 ms each time", () => {
    const low = follower(() => 0);
    low.up.peerGone("n2", true);
    low.drain();
    expect(low.alarm?.afterMs).toBe(0);
    low.ring();
    low.settle();
    expect(low.alarm?.afterMs).toBe(50);
    const high = follower((bound) => bound - 1);
    high.up.peerGone("n2", true);
    high.drain();
    expect(high.alarm?.afterMs).toBe(50);
    high.ring();
    high.settle();
    expect(high.alarm?.afterMs).toBe(150);
  });

  test("is asked about again and again while it is gone and nobody else leads", () => {
    const member = follower();
    member.up.peerGone("n2", true);
    member.drain();
    for (let attempt = 0; attempt < 20; attempt++) {
      member.ring();
      expect(allOf(member.settle(), "preVote")).toHaveLength(2);
    }
    expect([member.up.role, member.up.term]).toEqual(["preCandidate", 1]);
  });

  test("is helped by none who know that it is gone, and by all who hear it", () => {
    const deaf = follower();
    deaf.up.peerGone("n2", true);
    deaf.up.step(preVote);
    expect(only(deaf.settle(), "preVoteResponse").granted).toBe(true);
    const hearing = follower();
    hearing.up.step(preVote);
    expect(only(hearing.settle(), "preVoteResponse").granted).toBe(false);
  });

  test("is deposed by nobody who alone has lost it", () => {
    const cluster = Cluster.of(3);
    cluster.elect("n1");
    cluster.passes = (message) => !Cluster.isBetween(message, "n1", "n3");
    cluster.raft("n3").peerGone("n1", true);
    for (let attempt = 0; attempt < 30; attempt++) {
      cluster.tick(2);
      cluster.member("n3").ring();
      cluster.settle();
    }
    expect(cluster.leaders().map(({ id, term }) => `${id} ${term}`)).toEqual(["n1 1"]);
    expect(cluster.raft("n3").term).toBe(1);
  });

  test("is followed again when it is heard, and the alarm that was set says nothing", () => {
    const member = follower();
    member.up.peerGone("n2", true);
    member.drain();
    member.up.step(heartbeat(1));
    member.settle();
    member.ring();
    expect(allOf(member.settle(), "preVote")).toEqual([]);
    member.up.step(preVote);
    expect(only(member.settle(), "preVoteResponse").granted).toBe(false);
  });

  test("is waited for as ever when its process answers again", () => {
    const member = follower();
    member.up.peerGone("n2", true);
    member.drain();
    member.up.peerGone("n2", false);
    member.ring();
    expect(allOf(member.settle(), "preVote")).toEqual([]);
    member.up.step(preVote);
    expect(only(member.settle(), "preVoteResponse").granted).toBe(false);
    member.tick(10);
    expect(member.up.role).toBe("preCandidate");
  });

  test("matters to its followers only", () => {
    const member = follower();
    member.up.peerGone("n3", true);
    member.drain();
    expect(member.alarm).toBeNull();
    const cluster = Cluster.of(3);
    cluster.elect("n1");
    cluster.raft("n1").peerGone("n2", true);
    cluster.member("n1").drain();
    expect(cluster.member("n1").alarm).toBeNull();
  });

  test("leaves an alarm that a later one has replaced without effect", () => {
    const member = follower();
    member.up.peerGone("n2", true);
    member.drain();
    const first = member.alarm;
    member.ring();
    member.settle();
    member.up.alarm(first?.number ?? 0);
    expect(allOf(member.settle(), "preVote")).toEqual([]);
  });

  test("lets two that ask at once try again within 150 ms, not after an election timeout", () => {
    const cluster = orphaned();
    const [two, three] = [cluster.member("n2"), cluster.member("n3")];
    for (const { up } of [two, three]) up.peerGone("n1", true);
    cluster.settle();
    // Both PreVotes cross, then both requests: a split vote.
    for (const member of [two, three]) {
      member.ring();
      cluster.bag.push(...member.settle());
    }
    cluster.settle();
    expect(cluster.leaders()).toEqual([]);
    expect([two.up.role, three.up.role, two.up.term]).toEqual(["candidate", "candidate", 2]);
    expect(two.alarm?.afterMs).toBeLessThanOrEqual(150);
    two.ring();
    cluster.settle();
    expect(cluster.leaders().map(({ id }) => id)).toEqual(["n2"]);
  });

  test("gives each candidacy twice the time, where answers take longer than an alarm", () => {
    const member = follower();
    member.up.peerGone("n2", true);
    member.drain();
    const waits: (number | undefined)[] = [];
    for (let candidacy = 1; candidacy <= 7; candidacy++) {
      member.ring();
      member.settle();
      const term = member.up.term + 1;
      member.up.step(told({ type: "preVoteResponse", term, granted: true }, "n3"));
      member.settle();
      expect(member.up.role).toBe("candidate");
      waits.push(member.alarm?.afterMs);
    }
    expect(waits).toEqual([50, 100, 200, 400, 800, 800, 800]);
  });

  test("does not let a node campaign whose term or vote is on its way to the disk", () => {
    const member = follower();
    member.up.step(heartbeat(2));
    member.drain();
    member.up.peerGone("n2", true);
    member.drain();
    member.ring();
    expect(allOf(member.drain(), "preVote")).toEqual([]);
    member.persist();
    member.drain();
    member.ring();
    expect(allOf(member.settle(), "preVote")).toHaveLength(2);
  });

  test("puts off this node's own attempt when it votes for another's", () => {
    const member = follower();
    member.up.peerGone("n2", true);
    member.drain();
    const first = member.alarm?.number ?? 0;
    member.up.step(
      told(
        { type: "requestVote", term: 2, lastLogIndex: 1, lastLogTerm: 1, isTransfer: false },
        "n3",
      ),
    );
    expect(only(member.settle(), "requestVoteResponse").granted).toBe(true);
    member.up.alarm(first);
    expect(allOf(member.settle(), "preVote")).toEqual([]);
    member.ring();
    expect(allOf(member.settle(), "preVote")).toHaveLength(2);
  });

  test("is nobody's leader any more in a later term", () => {
    const member = follower();
    member.up.step(ofTerm(3));
    member.settle();
    member.up.peerGone("n2", true);
    member.drain();
    expect(member.alarm).toBeNull();
  });
});

describe("links that are reset, all of them and every second", () => {
  test("depose nobody whose process answers", () => {
    const cluster = Cluster.of(5);
    const leader = cluster.elect("n1");
    for (let second = 0; second < 100; second++) {
      for (const { id, up } of cluster.members) {
        for (const peer of cluster.members) {
          if (peer.id === id) continue;
          up.peerLink(peer.id, false);
          up.peerLink(peer.id, true);
        }
      }
      leader.propose("commands", dataOf(second));
      cluster.tick(20);
    }
    expect(cluster.leaders().map(({ id, term }) => `${id} ${term}`)).toEqual(["n1 1"]);
    expect(leader.commitIndex).toBe(101);
  });
});
