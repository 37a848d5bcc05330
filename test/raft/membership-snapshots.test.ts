import { describe, expect, test } from "vitest";
import type { RaftMessage } from "../../src/raft/messages.ts";
import type { Snapshot } from "../../src/raft/types.ts";
import { type Cluster, dataOf, type Member, votersConf } from "./cluster.ts";
import { chunkOf, memberOf } from "./conversation.ts";
import { entryOn, snapshotOf } from "./disk.ts";
import {
  adds,
  changes,
  confEntry,
  confsIn,
  named,
  promotes,
  removes,
  shown,
  three,
} from "./members.ts";

/** Every type of message that goes to `to` from now on, as often as it goes. */
function typesTo(cluster: Cluster, to: string): RaftMessage["type"][] {
  const types: RaftMessage["type"][] = [];
  cluster.passes = (message) => {
    if (message.to === to) types.push(message.type);
    return true;
  };
  return types;
}

/** All that `id` has applied is in a snapshot, and off its log. */
function cuts(cluster: Cluster, id: string): Snapshot {
  const member = cluster.member(id);
  const snapshot = member.takeSnapshot();
  member.up.compact(snapshot.index);
  member.settle();
  return snapshot;
}

describe("§7 a snapshot holds the latest configuration as of its index", () => {
  test("not the one in force, which is not committed", () => {
    const cluster = three();
    const leader = cluster.raft("n1");
    cluster.isolate("n1");
    changes(cluster, leader, adds("n4"));
    expect(shown(leader.conf)).toBe("n1 n2 n3 / n4");
    expect(shown(cuts(cluster, "n1").conf)).toBe("n1 n2 n3");
    expect([shown(leader.conf), confsIn(leader)]).toEqual(["n1 n2 n3 / n4", ["n1 n2 n3 / n4"]]);
  });

  test("it is in force where the log behind holds none, after a start as well", () => {
    const cluster = three();
    changes(cluster, cluster.raft("n1"), adds("n4"));
    cuts(cluster, "n1");
    const member = cluster.member("n1");
    expect([shown(member.up.conf), confsIn(member.up)]).toEqual(["n1 n2 n3 / n4", []]);
    member.crash("nothing");
    member.start();
    expect(shown(member.up.conf)).toBe("n1 n2 n3 / n4");
  });

  test("a leader that begins with a joint one leaves it", () => {
    const joint = { ...votersConf(["n1"]), votersOutgoing: ["n1", "n2"] };
    const conf = { ...joint, members: [named("n1"), named("n2")] };
    const snapshot = snapshotOf(4, 1, { conf, chunks: 1 });
    const cluster = three(1);
    for (const id of ["n1", "n2"]) {
      installs(cluster.member(id), snapshot, 7);
    }
    cluster.tick(12);
    expect(cluster.leaders().map((raft) => [raft.id, shown(raft.conf)])).toEqual([["n1", "n1"]]);
  });
});

/** `from` leads `term`, and sends the one chunk of it. */
function installs(member: Member, snapshot: Snapshot, term: number, from = "n3"): void {
  member.up.step({ ...chunkOf(term, snapshot, 0, from), to: member.id });
  member.settle();
}

describe("§7 a log that is discarded", () => {
  const entries = [
    ...Array.from({ length: 10 }, (_, at) => confEntry(at + 1, 1, ["n1", "n2", "n3"])),
    confEntry(11, 1, ["n1", "n2", "n3"], [], ["n4"]),
  ];

  test("takes with it the configuration that was in force by it", () => {
    const member = memberOf([], { hardState: { term: 1, vote: null }, entries });
    expect(shown(member.up.conf)).toBe("n1 n2 n3 / n4");
    installs(member, snapshotOf(9, 2, { chunks: 1 }), 3);
    expect([shown(member.up.conf), confsIn(member.up)]).toEqual(["n1 n2 n3", []]);
    expect(entryOn(member.disk, 11)).toBeUndefined();
  });

  test("leaves it where it has come to agree with the snapshot while that was written", () => {
    const member = memberOf([1]);
    const snapshot = snapshotOf(9, 1, { chunks: 1 });
    member.up.step(chunkOf(3, snapshot, 0));
    member.drain();
    member.persist();
    member.drain();
    expect(member.writing?.snapshot?.type).toBe("switch");
    member.up.step({
      type: "appendEntries",
      from: "n2",
      to: "n1",
      term: 3,
      prevLogIndex: 1,
      prevLogTerm: 1,
      entries: entries.slice(1),
      commitIndex: 1,
    });
    member.settle();
    expect(member.up.log.start).toEqual({ index: 9, term: 1 });
    expect([shown(member.up.conf), confsIn(member.up)]).toEqual([
      "n1 n2 n3 / n4",
      ["n1 n2 n3", "n1 n2 n3 / n4"],
    ]);
  });
});

describe("who joins when the log is cut", () => {
  test("gets state and configuration by a snapshot, and becomes a voter then", () => {
    const cluster = three(1);
    const leader = cluster.raft("n1");
    leader.propose("commands", dataOf(1));
    cluster.settle();
    const { index } = cuts(cluster, "n1");
    const types = typesTo(cluster, "n4");
    changes(cluster, leader, adds("n4"));
    expect(types).toContain("installSnapshot");
    const joined = cluster.member("n4");
    expect(joined.up.snapshot?.index).toBe(index);
    expect(joined.state.hash).toBe(cluster.member("n1").state.hash);
    expect(shown(joined.up.conf)).toBe("n1 n2 n3 / n4");
    cluster.tick(4);
    changes(cluster, leader, promotes("n4"));
    expect(cluster.members.map(({ up }) => shown(up.conf))).toEqual(
      new Array(4).fill("n1 n2 n3 n4"),
    );
  });

  test("does not become a voter while the snapshot is on its way", () => {
    const cluster = three(1);
    const leader = cluster.raft("n1");
    cuts(cluster, "n1");
    cluster.passes = ({ type, from }) => type !== "installSnapshotResponse" || from !== "n4";
    changes(cluster, leader, adds("n4"));
    cluster.tick(2);
    expect(leader.proposeConf(promotes("n4"))).toMatchObject({
      ok: false,
      reason: "behind",
      state: "snapshot",
    });
  });
});

describe("who is leaving", () => {
  /** n3 is away, lacks two entries, and is not a member any more. */
  function leaving(): Cluster {
    const cluster = three();
    const leader = cluster.raft("n1");
    cluster.isolate("n3");
    leader.propose("commands", dataOf(1));
    cluster.settle();
    expect(leader.retainIndex()).toBe(2);
    changes(cluster, leader, removes("n3"));
    expect(leader.progress().map(({ id }) => id)).toEqual(["n2", "n3"]);
    return cluster;
  }

  test("does not hold up a cut of the log", () => {
    const leader = leaving().raft("n1");
    expect(leader.retainIndex()).toBe(leader.lastIndex + 1);
  });

  test("is told by the log where that reaches back, and sent no snapshot where it does not", () => {
    const told = leaving();
    told.heal();
    told.tick(4);
    expect(told.raft("n3").isRemoved).toBe(true);

    const cluster = leaving();
    cuts(cluster, "n1");
    const types = typesTo(cluster, "n3");
    cluster.tick(60);
    expect(types).toContain("heartbeat");
    expect(types).not.toContain("installSnapshot");
    expect(cluster.raft("n3")).toMatchObject({ isRemoved: false, snapshot: null });
    expect(cluster.leaders().map(({ id, term }) => [id, term])).toEqual([["n1", 1]]);
  });
});
