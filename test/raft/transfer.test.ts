import { describe, expect, test } from "vitest";
import type { MemberId } from "../../src/raft/types.ts";
import { Cluster, dataOf } from "./cluster.ts";
import {
  acked,
  allOf,
  append,
  beatAnswered,
  heartbeat,
  leaderOver,
  memberOf,
  only,
  requestVote,
  told,
} from "./conversation.ts";

/** n1 leads term 1, nothing is on its way. */
function led(size = 3): Cluster {
  const cluster = Cluster.of(size);
  cluster.elect("n1");
  cluster.tick(2);
  return cluster;
}

const timeoutNow = (term: number, lastLogIndex: number, from: MemberId = "n2") =>
  told({ type: "timeoutNow", term, lastLogIndex }, from);

describe("dissertation 3.10 leadership transfer", () => {
  test("1: the prior leader stops accepting new client requests", () => {
    const member = leaderOver();
    member.settle();
    member.up.step(acked(1, 1));
    expect(member.up.transferLeadership("n2")).toEqual({ isStarted: true, to: "n2" });
    expect(member.up.propose("commands", dataOf(1))).toBeNull();
    expect([member.up.role, member.up.lastIndex]).toEqual(["leader", 1]);
  });

  test("2: it fully updates the target's log, and only then sends TimeoutNow", () => {
    const member = leaderOver();
    member.settle();
    member.up.step(acked(1, 1, "n3"));
    member.up.propose("commands", dataOf(1));
    member.up.transferLeadership("n2");
    expect(allOf(member.settle(), "timeoutNow")).toEqual([]);
    member.up.step(acked(1, 1));
    expect(allOf(member.settle(), "timeoutNow")).toEqual([]);
    member.up.step(acked(1, 2));
    expect(only(member.settle(), "timeoutNow")).toMatchObject({ to: "n2", lastLogIndex: 2 });
  });

  test("3: the target starts an election at once, and all follow it within an exchange", () => {
    const cluster = led();
    cluster.raft("n1").propose("commands", dataOf(1));
    cluster.raft("n1").transferLeadership("n3");
    cluster.settle();
    expect(cluster.leaders().map(({ id, term }) => `${id} ${term}`)).toEqual(["n3 2"]);
    expect(cluster.members.map(({ up }) => up.leader)).toEqual(["n3", "n3", "n3"]);
    expect(cluster.raft("n3").commitIndex).toBe(3);
  });

  test("past PreVote and past the stickiness of others, who all hear the leader (pitfall 14)", () => {
    const member = memberOf([1]);
    member.up.step(heartbeat(1));
    member.up.step(timeoutNow(1, 1));
    expect(allOf(member.settle(), "preVote")).toEqual([]);
    const asked = memberOf([1]);
    asked.up.step(heartbeat(1));
    asked.settle();
    asked.up.step(requestVote(2, 1, 1, "n3"));
    expect([asked.settle(), asked.up.term]).toEqual([[], 1]);
    asked.up.step(
      told(
        { type: "requestVote", term: 2, lastLogIndex: 1, lastLogTerm: 1, isTransfer: true },
        "n3",
      ),
    );
    expect(only(asked.settle(), "requestVoteResponse").granted).toBe(true);
  });

  test("the request says that it is a transfer, and leaves once the vote is durable", () => {
    const member = memberOf([1]);
    member.up.step(heartbeat(1));
    member.settle();
    member.up.step(timeoutNow(1, 1));
    expect(allOf(member.drain(), "requestVote")).toEqual([]);
    member.persist();
    expect(allOf(member.drain(), "requestVote")).toMatchObject([
      { to: "n2", term: 2, isTransfer: true },
      { to: "n3", term: 2, isTransfer: true },
    ]);
  });

  test("a vote in an election that nobody asked for does not say so", () => {
    const member = memberOf([1]);
    member.tick(10);
    member.up.step(told({ type: "preVoteResponse", term: 2, granted: true }));
    expect(allOf(member.settle(), "requestVote").map(({ isTransfer }) => isTransfer)).toEqual([
      false,
      false,
    ]);
  });

  test("4: after an election timeout it is given up, and the leader takes requests again (pitfall 15)", () => {
    const cluster = led();
    cluster.passes = ({ to, type }) => type !== "timeoutNow" || to !== "n2";
    const leader = cluster.raft("n1");
    leader.transferLeadership("n2");
    cluster.tick(9);
    expect(leader.transferTarget).toBe("n2");
    cluster.tick(1);
    expect(leader.transferTarget).toBeNull();
    const index = leader.propose("commands", dataOf(1));
    cluster.settle();
    expect(cluster.members.map(({ up }) => up.log.lastIndex)).toEqual([index, index, index]);
    expect(leader.term).toBe(1);
  });

  test("a TimeoutNow that is lost is sent again before that", () => {
    const cluster = led();
    let losses = 0;
    cluster.passes = ({ type }) => type !== "timeoutNow" || ++losses > 1;
    cluster.raft("n1").transferLeadership("n2");
    cluster.tick(3);
    expect(cluster.leaders().map(({ id }) => id)).toEqual(["n2"]);
  });

  test("it ends with the leadership, and the next one begins without it", () => {
    const cluster = led();
    cluster.passes = ({ type }) => type !== "timeoutNow";
    cluster.raft("n1").transferLeadership("n2");
    cluster.raft("n1").step(beatAnswered(7, 0));
    cluster.settle();
    expect(cluster.raft("n1").transferTarget).toBeNull();
    cluster.heal();
    const leader = cluster.elect("n1");
    expect([leader.transferTarget, leader.propose("commands", dataOf(1))]).toEqual([null, 3]);
  });

  test("it ends when the target's process is gone", () => {
    const cluster = led();
    cluster.isolate("n2");
    const leader = cluster.raft("n1");
    leader.transferLeadership("n2");
    leader.peerGone("n2", true);
    expect([leader.transferTarget, leader.propose("commands", dataOf(1))]).toEqual([null, 2]);
  });

  test("a leader that CheckQuorum ends in the middle of it can be elected again (pitfall 15)", () => {
    const cluster = led();
    cluster.isolate("n1");
    cluster.raft("n1").transferLeadership("n2");
    cluster.tick(30);
    cluster.heal();
    cluster.tick(60);
    const [leader] = cluster.leaders();
    expect([leader?.transferTarget, leader?.propose("commands", dataOf(1))]).toEqual([
      null,
      leader?.lastIndex,
    ]);
  });
});

describe("whom a leader may hand over to (pitfall 16)", () => {
  test.each([
    ["itself", "n1"],
    ["nobody that it knows", "n9"],
  ])("not %s", (_, to) => {
    expect(led().raft("n1").transferLeadership(to)).toEqual({
      isStarted: false,
      reason: "notVoter",
    });
  });

  test("nobody, for one that does not lead or is at it already", () => {
    const cluster = led();
    expect(cluster.raft("n2").transferLeadership(null)).toEqual({
      isStarted: false,
      reason: "notLeader",
    });
    cluster.raft("n1").transferLeadership("n2");
    expect(cluster.raft("n1").transferLeadership("n3")).toEqual({
      isStarted: false,
      reason: "inProgress",
    });
  });

  test("where nobody is named, the one that has most of the log", () => {
    const member = leaderOver([], {});
    member.settle();
    for (const from of ["n2", "n3"]) member.up.step(acked(1, 1, from));
    member.up.propose("commands", dataOf(1));
    member.settle();
    member.up.step(acked(1, 2, "n3"));
    expect(member.up.transferLeadership(null)).toEqual({ isStarted: true, to: "n3" });
  });

  test("of those the one heard last, and nobody who was not heard for the least timeout", () => {
    const member = leaderOver();
    member.settle();
    for (const from of ["n2", "n3"]) member.up.step(acked(1, 1, from));
    member.tick(5);
    member.up.step(beatAnswered(1, 0, "n3"));
    expect(member.up.transferLeadership(null)).toEqual({ isStarted: true, to: "n3" });
    const lonely = leaderOver();
    lonely.settle();
    lonely.up.step(acked(1, 1));
    lonely.tick(10);
    expect(lonely.up.transferLeadership(null)).toEqual({ isStarted: false, reason: "noTarget" });
  });

  test("nor anybody whose process is gone, until it is back", () => {
    const member = leaderOver();
    member.settle();
    for (const from of ["n2", "n3"]) member.up.step(acked(1, 1, from));
    member.up.peerGone("n2", true);
    expect(member.up.transferLeadership(null)).toEqual({ isStarted: true, to: "n3" });
    const other = leaderOver();
    other.settle();
    for (const from of ["n2", "n3"]) other.up.step(acked(1, 1, from));
    other.up.peerGone("n2", true);
    other.up.peerGone("n2", false);
    expect(other.up.transferLeadership(null)).toEqual({ isStarted: true, to: "n2" });
  });

  test("a sole voter has nobody", () => {
    const cluster = Cluster.of(1);
    cluster.elect("n1");
    expect(cluster.raft("n1").transferLeadership(null)).toEqual({
      isStarted: false,
      reason: "noTarget",
    });
  });
});

describe("a TimeoutNow does nothing", () => {
  test("of a lower term", () => {
    const member = memberOf([1, 3]);
    member.up.step(heartbeat(3));
    member.settle();
    member.up.step(timeoutNow(1, 2));
    expect([member.up.role, member.up.term, member.settle()]).toEqual(["follower", 3, []]);
  });

  test("of a higher term but to be in that term", () => {
    const member = memberOf([1]);
    member.up.step(heartbeat(1));
    member.settle();
    member.up.step(timeoutNow(5, 1));
    expect(allOf(member.settle(), "requestVote")).toEqual([]);
    expect([member.up.role, member.up.term]).toEqual(["follower", 5]);
  });

  test("of somebody else than the leader", () => {
    const member = memberOf([1]);
    member.up.step(heartbeat(1));
    member.settle();
    member.up.step(timeoutNow(1, 1, "n3"));
    expect([member.up.role, member.up.term]).toEqual(["follower", 1]);
  });

  test("the second time", () => {
    const member = memberOf([1]);
    member.up.step(heartbeat(1));
    member.settle();
    member.up.step(timeoutNow(1, 1));
    member.settle();
    member.up.step(timeoutNow(1, 1));
    member.settle();
    expect([member.up.role, member.up.term]).toEqual(["candidate", 2]);
  });

  test("that comes late, when the leader has gone on", () => {
    const member = memberOf([1]);
    member.up.step(heartbeat(1));
    member.up.step(append(1, 1, 1, [1]));
    member.settle();
    member.up.step(timeoutNow(1, 1));
    expect([member.up.role, member.up.term]).toEqual(["follower", 1]);
  });

  test("to one that lacks what the leader had", () => {
    const member = memberOf([1]);
    member.up.step(heartbeat(1));
    member.settle();
    member.up.step(timeoutNow(1, 2));
    expect([member.up.role, member.up.term]).toEqual(["follower", 1]);
  });

  test("to one whose vote or term is still on its way to the disk", () => {
    const member = memberOf([1]);
    member.up.step(heartbeat(2));
    member.drain();
    member.up.step(timeoutNow(2, 1));
    expect([member.up.role, member.up.term]).toEqual(["follower", 2]);
  });
});
