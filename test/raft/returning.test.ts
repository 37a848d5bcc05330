import { describe, expect, test } from "vitest";
import { Cluster, configOf, dataOf, entriesOf, Member } from "./cluster.ts";
import { acked, allOf, append, memberOf, only, requestVote, told } from "./conversation.ts";

/** n1 of three, in term 3, without the log that ended with entry 5 of term 2. */
function returning(): Member {
  const lost = { end: { index: 5, term: 2 }, cutIndex: 0, entries: [] };
  return memberOf([], { hardState: { term: 3, vote: null }, lost });
}

/** n1 leads term 1; entries up to 4 are on all three disks and committed. */
function led(size = 3): Cluster {
  const cluster = Cluster.of(size);
  const leader = cluster.elect("n1");
  for (let number = 1; number <= 3; number++) leader.propose("commands", dataOf(number));
  cluster.settle();
  cluster.tick(4);
  return cluster;
}

/** It crashes, and comes back without its log. Nobody sees a link break. */
function losesLog(member: Member): void {
  member.crash("nothing");
  member.loseLog();
  member.start();
}

function progressOf(cluster: Cluster, leader: string, id: string) {
  return cluster
    .raft(leader)
    .progress()
    .find((peer) => peer.id === id);
}

describe("a member that returns without its log", () => {
  test("votes for nobody whose log would have been too short for the one it had", () => {
    for (const [lastLogIndex, lastLogTerm, granted] of [
      [4, 2, false],
      [9, 1, false],
      [5, 2, true],
      [1, 3, true],
    ] as const) {
      const member = returning();
      member.up.step(told({ type: "preVote", term: 4, lastLogIndex, lastLogTerm }));
      expect(only(member.settle(), "preVoteResponse").granted).toBe(granted);
      member.up.step(requestVote(4, lastLogIndex, lastLogTerm));
      expect(only(member.settle(), "requestVoteResponse").granted).toBe(granted);
    }
  });

  test("does not campaign, in its time, when asked to, or when its leader is gone", () => {
    const member = returning();
    member.tick(100);
    member.up.step(append(3, 0, 0, [3], 0));
    member.settle();
    member.up.step(told({ type: "timeoutNow", term: 3, lastLogIndex: 1 }));
    member.up.peerGone("n2", true);
    member.drain();
    member.ring();
    const messages = member.settle();
    expect([...allOf(messages, "preVote"), ...allOf(messages, "requestVote")]).toEqual([]);
    expect([member.up.role, member.up.term]).toEqual(["follower", 3]);
  });

  test("is refilled when its log is as up to date as the one it had, on its disk", () => {
    const member = returning();
    member.up.step(append(3, 0, 0, [1, 1, 2, 2], 0));
    member.settle();
    expect(member.up.isRefilled).toBe(false);
    expect(() => member.up.endReturn()).toThrow("lacks what it has vouched for");
    member.up.step(append(3, 4, 2, [2], 0));
    member.drain();
    expect(member.up.isRefilled).toBe(false);
    member.persist();
    expect(member.up.isRefilled).toBe(true);
    member.up.endReturn();
    member.tick(30);
    expect(member.up.role).toBe("preCandidate");
  });

  test("is refilled by an entry of a later term, too, however short the log", () => {
    const member = returning();
    member.up.step(append(3, 0, 0, [1, 3], 0));
    member.settle();
    expect(member.up.isRefilled).toBe(true);
  });

  test("takes its leader's word for what is committed no further than its log goes", () => {
    const member = returning();
    member.up.step(append(3, 0, 0, [1, 1], 1));
    member.settle();
    member.up.step(told({ type: "heartbeat", term: 3, commitIndex: 5, round: 1 }));
    expect(member.up.commitIndex).toBe(2);
    expect(only(member.settle(), "appendEntriesResponse")).toMatchObject({
      ...{ success: false, prevLogIndex: 5, hintIndex: 2, lostIndex: 5 },
    });
  });

  test("has vouched for the later of two logs that it lost", () => {
    const cluster = led();
    losesLog(cluster.member("n3"));
    cluster.isolate("n3");
    cluster.tick(4);
    losesLog(cluster.member("n3"));
    expect(cluster.member("n3").disk.lost?.end).toEqual({ index: 4, term: 1 });
    cluster.heal();
    cluster.tick(4);
    expect(cluster.raft("n3").isRefilled).toBe(true);
  });
});

describe("a cluster to which a member returns without its log", () => {
  test("fills it again, though its leader took it for what it was, and nobody writes", () => {
    const cluster = led();
    losesLog(cluster.member("n3"));
    expect(progressOf(cluster, "n1", "n3")?.matchIndex).toBe(4);
    cluster.tick(4);
    expect(cluster.raft("n3")).toMatchObject({ lastIndex: 4, commitIndex: 4, isRefilled: true });
    expect(progressOf(cluster, "n1", "n3")).toMatchObject({ matchIndex: 4, state: "replicate" });
    expect(cluster.raft("n1")).toMatchObject({ role: "leader", term: 1, commitIndex: 4 });
  });

  test("fills it by a snapshot where the log is cut", () => {
    const cluster = led();
    const leader = cluster.member("n1");
    leader.takeSnapshot();
    leader.up.compact(4);
    losesLog(cluster.member("n3"));
    cluster.tick(8);
    expect(cluster.raft("n3").snapshot?.index).toBe(4);
    expect(cluster.raft("n3")).toMatchObject({ commitIndex: 4, isRefilled: true });
    expect(cluster.member("n3").state.hash).toBe(leader.state.hash);
  });

  test("counts it for nothing that it has not got again", () => {
    const cluster = led();
    cluster.passes = ({ type, to }) => type !== "appendEntries" || to !== "n2";
    losesLog(cluster.member("n3"));
    cluster.passes = ({ type, from }) => type !== "appendEntries" || from !== "n1";
    cluster.tick(4);
    const leader = cluster.raft("n1");
    expect(progressOf(cluster, "n1", "n3")?.matchIndex).toBe(0);
    leader.propose("commands", dataOf(4));
    cluster.tick(4);
    expect(leader.commitIndex).toBe(4);
    cluster.heal();
    cluster.tick(4);
    expect(leader.commitIndex).toBe(5);
  });

  test("elects nobody without what it helped to commit, and goes on when that is back", () => {
    const cluster = led();
    cluster.isolate("n2");
    cluster.raft("n1").propose("commands", dataOf(4));
    cluster.settle();
    expect(cluster.raft("n1").commitIndex).toBe(5);
    cluster.member("n1").crash("nothing");
    losesLog(cluster.member("n3"));
    cluster.heal();
    cluster.tick(100);
    expect(cluster.leaders()).toEqual([]);
    cluster.member("n1").start();
    cluster.tick(60);
    expect(cluster.leaders().map(({ id }) => id)).toEqual(["n1"]);
    for (const { up } of cluster.members) expect(up.commitIndex).toBe(6);
    expect(cluster.raft("n3").isRefilled).toBe(true);
  });

  test("of two, elects the other one, which fills it", () => {
    const cluster = led(2);
    losesLog(cluster.member("n1"));
    cluster.tick(60);
    expect(cluster.leaders().map(({ id }) => id)).toEqual(["n2"]);
    expect(cluster.raft("n1")).toMatchObject({ commitIndex: 5, isRefilled: true });
  });

  test("is filled again though it had vouched further than to the end of the log it lost first", () => {
    const logs = new Map([
      ["n1", [1, 3]],
      ["n2", [1, 2, 2, 2, 2]],
      ["n3", [1, 2, 2, 2, 2]],
    ]);
    const ids = [...logs.keys()];
    const cluster = new Cluster(
      [...logs].map(([id, terms]) => {
        const disk = { hardState: { term: 3, vote: null }, entries: entriesOf(terms) };
        // One entry a message.
        return new Member(configOf(id, { inflightEntriesMax: 1 }), ids, disk);
      }),
    );
    losesLog(cluster.member("n1"));
    // n2's own first entry is kept from n1, which would be refilled by it.
    cluster.passes = (message) =>
      message.type !== "appendEntries" || message.to !== "n1" || cluster.raft("n1").lastIndex < 5;
    const leader = cluster.elect("n2");
    cluster.tick(4);
    expect(leader.term).toBe(4);
    expect(progressOf(cluster, "n2", "n1")?.matchIndex).toBe(5);
    expect(cluster.raft("n1").isRefilled).toBe(false);
    losesLog(cluster.member("n1"));
    expect(cluster.member("n1").disk.lost?.end).toEqual({ index: 2, term: 3 });
    cluster.heal();
    cluster.tick(20);
    const { lastIndex, commitIndex, isRefilled } = cluster.raft("n1");
    expect({ lastIndex, commitIndex, isRefilled }).toEqual({
      lastIndex: 6,
      commitIndex: 6,
      isRefilled: true,
    });
  });

  test("is not led astray by an acknowledgement from before", () => {
    const cluster = led();
    losesLog(cluster.member("n3"));
    cluster.passes = ({ type, to }) => type !== "appendEntries" || to !== "n3";
    cluster.tick(4);
    expect(progressOf(cluster, "n1", "n3")?.matchIndex).toBe(0);
    cluster.raft("n1").step({ ...acked(1, 4, "n3"), to: "n1" });
    expect(progressOf(cluster, "n1", "n3")?.matchIndex).toBe(4);
    cluster.heal();
    cluster.tick(4);
    expect(cluster.raft("n3")).toMatchObject({ lastIndex: 4, commitIndex: 4 });
  });

  test("does not make it the leader before it is refilled", () => {
    const cluster = led();
    cluster.passes = ({ type, to }) => type !== "appendEntries" || to !== "n3";
    losesLog(cluster.member("n3"));
    cluster.tick(4);
    const leader = cluster.raft("n1");
    expect(leader.transferLeadership("n3")).toEqual({ isStarted: false, reason: "notVoter" });
    cluster.member("n2").crash("nothing");
    cluster.tick(2);
    cluster.raft("n1").peerGone("n2", true);
    expect(leader.transferLeadership(null)).toEqual({ isStarted: false, reason: "noTarget" });
  });
});
