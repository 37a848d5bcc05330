import { describe, expect, test } from "vitest";
import { describeMessage } from "../../src/raft/describe.ts";
import type { RaftMessage } from "../../src/raft/messages.ts";
import type { Snapshot } from "../../src/raft/types.ts";
import { AssertionError } from "../../src/util/assert.ts";
import { Cluster, chanceFrom, dataOf, type Member } from "./cluster.ts";
import { acked, allOf, beatAnswered, leaderOver, ofTerm, stored, told } from "./conversation.ts";

/** Of n1, to n2: "?" for a question, else the chunk's number. */
const chunksTo = (messages: readonly RaftMessage[], to = "n2"): (number | "?")[] =>
  allOf(messages, "installSnapshot").flatMap((message) => {
    if (message.to !== to) return [];
    return [message.chunk === message.snapshot.chunks ? "?" : message.chunk];
  });

const rejected = { type: "appendEntriesResponse", term: 1, success: false, lostIndex: 0 } as const;

/**
 * n1 leads in term 1 and has committed 10 entries with n3, behind which its snapshot of six chunks
 * ends and (unless said otherwise) its log begins; n2 has said that its log is empty. The window is of four chunks.
 */
function sending(cutAt = 10): { readonly member: Member; readonly snapshot: Snapshot } {
  const member = leaderOver();
  for (let value = 2; value <= 10; value++) member.up.propose("commands", dataOf(value));
  member.settle();
  member.up.step(acked(1, 10, "n3"));
  member.settle();
  const snapshot = member.takeSnapshot(6);
  member.up.compact(cutAt);
  member.up.step(told({ ...rejected, prevLogIndex: 0, hintIndex: 0, hintTerm: 0 }));
  member.up.peerLink("n2", true);
  return { member, snapshot };
}

/** Heartbeats leave, and n2 answers them. */
function beat(member: Member, count = 1): RaftMessage[] {
  const messages: RaftMessage[] = [];
  for (let time = 0; time < count; time++) {
    member.tick(2);
    messages.push(...member.settle());
    member.up.step(beatAnswered(1, member.up.round));
    messages.push(...member.settle());
  }
  return messages;
}

function progressOf(member: Member, id = "n2"): string {
  const progress = member.up.progress().find((one) => one.id === id);
  const { state, nextIndex, matchIndex, snapshot } = progress ?? {};
  const at = snapshot === null ? "" : ` ${snapshot?.next} of ${snapshot?.chunks}`;
  return `${state} match ${matchIndex} next ${nextIndex}${at}`;
}

describe("§7: a follower that needs entries which are cut off", () => {
  test("is asked what it has, and then sent the snapshot in a window of chunks", () => {
    const { member, snapshot } = sending();
    expect(chunksTo(member.settle())).toEqual(["?"]);
    expect(progressOf(member)).toBe("snapshot match 0 next 11 0 of 6");
    member.up.step(stored(1, snapshot, 0));
    expect(chunksTo(member.settle())).toEqual([0, 1, 2, 3]);
    member.up.step(stored(1, snapshot, 1));
    expect(chunksTo(member.settle())).toEqual([4]);
    member.up.step(stored(1, snapshot, 4));
    expect(chunksTo(member.settle())).toEqual([5]);
    expect(progressOf(member)).toBe("snapshot match 0 next 11 4 of 6");
  });

  test("is sent what follows as soon as it vouches for the snapshot", () => {
    const { member, snapshot } = sending();
    member.settle();
    member.up.propose("commands", dataOf(11));
    member.up.step(stored(1, snapshot, 6));
    expect(allOf(member.settle(), "appendEntries").map(({ to }) => to)).toEqual(["n3"]);
    member.up.step(acked(1, 10));
    const appended = allOf(member.settle(), "appendEntries").filter(({ to }) => to === "n2");
    expect(appended.map(describeMessage)).toEqual([
      "n1>n2 t1 appendEntries after 10@1 [11@1 commands 4B] commit 10",
    ]);
    expect(progressOf(member)).toBe("replicate match 10 next 12");
  });

  test("learns so at once from a hint before the log begins", () => {
    const member = leaderOver(new Array(20).fill(1));
    member.settle();
    member.up.step(acked(2, 21, "n3"));
    member.settle();
    member.takeSnapshot();
    member.up.compact(15);
    const rejection = { ...rejected, term: 2, prevLogIndex: 20 };
    member.up.step(told({ ...rejection, hintIndex: 4, hintTerm: 1 }));
    expect(chunksTo(member.settle())).toEqual(["?"]);
  });

  test("is not sent one where the log goes back far enough", () => {
    const member = leaderOver(new Array(20).fill(1));
    member.settle();
    member.up.step(acked(2, 21, "n3"));
    member.settle();
    member.takeSnapshot();
    member.up.compact(15);
    const rejection = { ...rejected, term: 2, prevLogIndex: 20 };
    member.up.step(told({ ...rejection, hintIndex: 15, hintTerm: 1 }));
    const [append] = allOf(member.settle(), "appendEntries");
    expect(append?.entries.length).toBe(6);
  });

  test("that had more than the leader knew is sent entries again, and no snapshot", () => {
    const { member, snapshot } = sending(6);
    member.settle();
    member.up.step(acked(1, 5));
    member.up.step(stored(1, snapshot, 0));
    expect(chunksTo(member.settle())).toEqual([0, 1, 2, 3]);
    member.up.step(acked(1, 6));
    member.up.step(stored(1, snapshot, 2));
    const messages = member.settle();
    expect(chunksTo(messages)).toEqual([]);
    expect(allOf(messages, "appendEntries").map(describeMessage).join()).toContain(
      "after 6@1 [7@1",
    );
    expect(progressOf(member)).toBe("replicate match 6 next 11");
  });

  test("still hears heartbeats, and counts for the leader's quorum (dissertation 6.2)", () => {
    const { member, snapshot } = sending();
    for (let time = 0; time < 30; time++) {
      member.up.step(stored(1, snapshot, 0));
      member.tick(2);
      expect(allOf(member.settle(), "heartbeat")).toHaveLength(2);
    }
    expect(member.up.role).toBe("leader");
  });

  test("reads one chunk at a time from the disk", () => {
    const { member, snapshot } = sending();
    member.settle();
    member.up.step(stored(1, snapshot, 0));
    member.drain();
    expect(member.loading.map(({ chunk }) => chunk)).toEqual([0]);
    member.drain();
    expect(member.loading).toHaveLength(1);
    member.load();
    member.drain();
    expect(member.loading.map(({ chunk }) => chunk)).toEqual([1]);
  });
});

describe("a snapshot on a link that loses, doubles and reorders", () => {
  test("chunks that were lost are found by an answered heartbeat, and sent again from there", () => {
    const { member, snapshot } = sending();
    member.settle();
    member.up.step(stored(1, snapshot, 0));
    member.settle();
    expect(chunksTo(beat(member, 2))).toEqual(["?"]);
    member.up.step(stored(1, snapshot, 2));
    expect(chunksTo(member.settle())).toEqual([2, 3, 4, 5]);
  });

  test("what waits for a slow disk is not sent again", () => {
    const { member, snapshot } = sending();
    member.settle();
    member.up.step(stored(1, snapshot, 0));
    member.settle();
    for (let time = 0; time < 5; time++) {
      expect(chunksTo(beat(member, 2))).toEqual(["?"]);
      member.up.step(stored(1, snapshot, 0, 4));
      expect(chunksTo(member.settle())).toEqual([]);
    }
  });

  test("a transfer that moves is not held up by questions", () => {
    const { member, snapshot } = sending();
    member.settle();
    member.up.step(stored(1, snapshot, 0));
    member.settle();
    member.up.step(stored(1, snapshot, 1));
    expect(chunksTo(beat(member))).toEqual([4]);
    member.tick(2);
    member.settle();
    member.up.step(stored(1, snapshot, 2));
    member.up.step(beatAnswered(1, member.up.round));
    expect(chunksTo(member.settle())).toEqual([5]);
    expect(chunksTo(beat(member))).toEqual([]);
    expect(chunksTo(beat(member))).toEqual(["?"]);
  });

  test("a question that was lost is asked again, and so is one for the last word", () => {
    const { member, snapshot } = sending();
    expect(chunksTo(member.settle())).toEqual(["?"]);
    expect(chunksTo(member.settle())).toEqual([]);
    expect(chunksTo(beat(member))).toEqual(["?"]);
    member.up.step(stored(1, snapshot, 6));
    expect(chunksTo(member.settle())).toEqual([]);
    expect(chunksTo(beat(member, 2))).toEqual(["?"]);
  });

  test("a broken link goes on from what has arrived, and sends nothing before it is up", () => {
    const { member, snapshot } = sending();
    member.settle();
    member.up.step(stored(1, snapshot, 0));
    member.up.step(stored(1, snapshot, 2));
    member.settle();
    member.up.peerLink("n2", false);
    expect(chunksTo(member.settle())).toEqual([]);
    member.up.peerLink("n2", true);
    expect(chunksTo(member.settle())).toEqual(["?"]);
    member.up.step(stored(1, snapshot, 3));
    expect(chunksTo(member.settle())).toEqual([3, 4, 5]);
  });

  test("a chunk that was read before the break is not sent out of turn behind it", () => {
    const { member, snapshot } = sending();
    member.settle();
    member.up.step(stored(1, snapshot, 0));
    member.drain();
    member.up.peerLink("n2", true);
    member.load();
    expect(chunksTo(member.drain())).toEqual(["?"]);
    member.up.step(stored(1, snapshot, 0));
    expect(chunksTo(member.settle())).toEqual([0, 1, 2, 3]);
  });

  test("a target that restarted in the middle begins again", () => {
    const { member, snapshot } = sending();
    member.settle();
    member.up.step(stored(1, snapshot, 0));
    member.up.step(stored(1, snapshot, 4));
    member.settle();
    expect(chunksTo(beat(member, 2))).toEqual(["?"]);
    member.up.step(stored(1, snapshot, 0));
    expect(chunksTo(member.settle())).toEqual([0, 1, 2, 3]);
  });

  test("answers that were overtaken, come twice or tell nothing new send nothing (pitfall 30)", () => {
    const { member, snapshot } = sending();
    member.settle();
    member.up.step(stored(1, snapshot, 0));
    member.up.step(stored(1, snapshot, 3));
    member.settle();
    for (let time = 0; time < 50; time++) {
      member.up.step(stored(1, snapshot, 3));
      member.up.step(stored(1, snapshot, 0));
      member.up.step(stored(1, { ...snapshot, nonce: 77 }, 0));
      member.up.step(acked(1, 0));
      member.up.step(told({ ...rejected, prevLogIndex: 10, hintIndex: 0, hintTerm: 0 }));
      member.up.step(ofTerm(1));
    }
    expect(member.settle().map(describeMessage)).toEqual([]);
    expect(progressOf(member)).toBe("snapshot match 0 next 11 3 of 6");
  });

  test("an answer that no chunk can have is not believed", () => {
    const { member, snapshot } = sending();
    member.settle();
    expect(() => member.up.step(stored(1, snapshot, 7))).toThrow(AssertionError);
  });
});

describe("a snapshot that is replaced while it is sent (pitfall 64)", () => {
  function replaced(): {
    readonly member: Member;
    readonly first: Snapshot;
    readonly second: Snapshot;
  } {
    const { member, snapshot: first } = sending();
    member.settle();
    member.up.step(stored(1, first, 0));
    member.settle();
    for (let value = 11; value <= 15; value++) member.up.propose("commands", dataOf(value));
    member.settle();
    member.up.step(acked(1, 15, "n3"));
    member.settle();
    return { member, first, second: member.takeSnapshot(2) };
  }

  test("is sent to its end while it is there, and the log behind it is wanted meanwhile", () => {
    const { member, first } = replaced();
    expect(member.up.retainIndex()).toBe(11);
    member.up.peerLink("n2", true);
    const questions = allOf(member.settle(), "installSnapshot");
    expect(questions.map((message) => message.snapshot.index)).toEqual([first.index]);
    member.up.step(stored(1, first, 4));
    expect(chunksTo(member.settle())).toEqual([4, 5]);
    member.up.step(acked(1, 10));
    const [append] = allOf(member.settle(), "appendEntries");
    expect([append?.prevLogIndex, append?.entries.length]).toEqual([10, 5]);
  });

  test("is followed by the current one, where the log behind it is cut", () => {
    const { member, second } = replaced();
    member.up.compact(15);
    member.up.step(acked(1, 10));
    expect(chunksTo(member.settle())).toEqual(["?"]);
    expect(member.up.progress()[0]?.snapshot).toMatchObject({ id: { index: second.index } });
  });

  test("makes place for the current one, when it is dropped", () => {
    const { member, first, second } = replaced();
    member.dropFormer();
    member.settle();
    member.up.step(stored(1, first, 1));
    expect(chunksTo(member.settle())).toEqual(["?"]);
    expect(progressOf(member)).toBe("snapshot match 0 next 16 0 of 2");
    member.up.step(stored(1, second, 0));
    expect(chunksTo(member.settle())).toEqual([0, 1]);
  });

  test("a current snapshot of which a chunk is missing stops the node", () => {
    const { member, snapshot } = sending();
    member.settle();
    member.up.step(stored(1, snapshot, 0));
    member.drain();
    const { index, nonce } = snapshot;
    expect(() => member.up.chunkMissing({ to: "n2", id: { index, nonce } })).toThrow(
      AssertionError,
    );
  });

  test("chunks that nobody waits for any more are passed over", () => {
    const { member, snapshot } = sending();
    const { index, nonce } = snapshot;
    const loaded = { to: "n2", id: { index, nonce }, chunk: 0, chain: "", data: dataOf(1) };
    member.settle();
    member.up.chunkLoaded(loaded);
    member.up.chunkLoaded({ ...loaded, id: { index, nonce: 77 } });
    member.up.chunkMissing({ to: "n3", id: { index, nonce } });
    member.up.step(ofTerm(9));
    member.up.chunkLoaded(loaded);
    member.up.chunkMissing(loaded);
    expect(chunksTo(member.settle())).toEqual([]);
  });
});

describe("how far a log may be cut (pitfall 68)", () => {
  test("up to what all who were heard have, and one who is silent for long does not count", () => {
    const member = leaderOver([], { electionTicksMax: 30 });
    for (let value = 2; value <= 10; value++) member.up.propose("commands", dataOf(value));
    member.settle();
    expect(member.up.retainIndex()).toBe(1);
    member.up.step(acked(1, 10, "n3"));
    expect(member.up.retainIndex()).toBe(1);
    member.up.step(acked(1, 4, "n2"));
    expect(member.up.retainIndex()).toBe(5);
    for (let time = 0; time < 15; time++) {
      member.tick(2);
      member.up.step(beatAnswered(1, 0, "n3"));
    }
    expect(member.up.retainIndex()).toBe(11);
  });

  test("as a follower likes it", () => {
    const cluster = Cluster.of(3);
    cluster.elect("n1");
    expect(cluster.raft("n2").retainIndex()).toBe(2);
  });

  test("not past the snapshot, and no entry is lost that it does not hold", () => {
    const { member } = sending();
    expect(() => member.up.compact(11)).toThrow(AssertionError);
    member.up.compact(4);
    expect(member.up.log.start.index).toBe(10);
    member.settle();
    expect(member.disk.logStart).toEqual({ index: 10, term: 1 });
  });
});

describe("dissertation 5: whole clusters", () => {
  function leftBehind(): Cluster {
    const cluster = Cluster.of(3);
    const leader = cluster.elect("n1");
    cluster.isolate("n3");
    for (let value = 0; value < 20; value++) leader.propose("commands", dataOf(value));
    cluster.settle();
    cluster.member("n1").takeSnapshot(10);
    leader.compact(15);
    cluster.settle();
    return cluster;
  }

  const isSame = (cluster: Cluster): void => {
    const states = cluster.members.map(({ state }) => `${state.index} ${state.hash}`);
    expect(new Set(states).size).toBe(1);
  };

  test("one that was away comes back by a snapshot, and goes on by entries", () => {
    const cluster = leftBehind();
    cluster.heal();
    cluster.tick(4);
    cluster.raft("n1").propose("commands", dataOf(99));
    cluster.settle();
    isSame(cluster);
    const { received, up, state } = cluster.member("n3");
    expect(received.filter(({ type }) => type === "installed")).toHaveLength(1);
    expect([state.index, up.log.start.index]).toEqual([22, 21]);
    for (const member of cluster.members) {
      member.crash("nothing");
      member.start();
    }
    cluster.elect("n3");
    isSame(cluster);
  });

  test.each(["installSnapshot", "installSnapshotResponse", "appendEntriesResponse"] as const)(
    "with a third of all %s lost, it takes some heartbeats longer",
    (type) => {
      const cluster = leftBehind();
      const chance = chanceFrom(3);
      let lost = 0;
      cluster.passes = (message) => {
        const isLost = message.type === type && chance(3) === 0;
        if (isLost) lost++;
        return !isLost;
      };
      cluster.tick(100);
      isSame(cluster);
      expect(cluster.member("n3").state.index).toBe(21);
      expect(lost).toBeGreaterThan(0);
    },
  );

  test("a target that crashes in the middle, at every message, comes to the same", () => {
    for (let crashAt = 0; crashAt < 16; crashAt++) {
      const cluster = leftBehind();
      let chunks = 0;
      cluster.passes = (message) => {
        if (message.type === "installSnapshot" && chunks++ === crashAt) {
          cluster.member("n3").crash("nothing");
          cluster.member("n3").start();
        }
        return true;
      };
      cluster.tick(20);
      isSame(cluster);
    }
  });

  test("a leader that is lost in the middle is followed by one with a snapshot of its own", () => {
    const cluster = leftBehind();
    cluster.member("n2").takeSnapshot(4, 4711);
    cluster.raft("n2").compact(21);
    let chunks = 0;
    cluster.passes = (message) => message.type !== "installSnapshot" || chunks++ < 5;
    cluster.tick(4);
    expect(cluster.raft("n3").isInstalling).toBe(true);
    cluster.member("n1").crash("nothing");
    cluster.heal();
    cluster.tick(40);
    expect(cluster.leaders().map(({ id }) => id)).toEqual(["n2"]);
    expect(cluster.member("n3").disk.current?.snapshot).toMatchObject({ nonce: 4711 });
    expect(cluster.member("n3").state.index).toBe(22);
  });
});
