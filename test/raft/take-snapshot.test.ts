import { describe, expect, test } from "vitest";
import { describeMessage } from "../../src/raft/describe.ts";
import type { SnapshotWrite } from "../../src/raft/types.ts";
import { AssertionError } from "../../src/util/assert.ts";
import { dataOf, type Member } from "./cluster.ts";
import {
  acked,
  append,
  chunkOf,
  heartbeat,
  leaderOver,
  memberOf,
  questionOf,
} from "./conversation.ts";
import { snapshotOf } from "./disk.ts";

const stageOf = (index: number, first: number, count = 1): SnapshotWrite => ({
  type: "stage",
  id: { index, nonce: index },
  first,
  chunks: new Array(count).fill(dataOf(first)),
});
const switchOf = (index: number, term = 1, chunks = 2): SnapshotWrite => ({
  type: "switch",
  snapshot: snapshotOf(index, term, { chunks }),
  chain: null,
});
const dropOf = (index: number): SnapshotWrite => ({ type: "drop", id: { index, nonce: index } });

/** n1 follows n2 in term 1, with six entries, all applied. */
function follower(): Member {
  const member = memberOf(new Array(6).fill(1));
  member.up.step(append(1, 6, 1, [], 6));
  member.settle();
  return member;
}

/** Persists once, and says what was then told to be on disk. */
function written(member: Member): readonly SnapshotWrite[] {
  const before = member.snapshotWritten.length;
  if (member.writing === null) member.drain();
  member.persist();
  member.drain();
  return member.snapshotWritten.slice(before);
}

describe("§7: a member takes a snapshot of its own", () => {
  test("step by step, one with a write, in order, and is told which are on disk", () => {
    const member = follower();
    const writes = [stageOf(5, 0), stageOf(5, 1), switchOf(5)];
    for (const write of writes) expect(member.up.writeSnapshot(write)).toBe(true);
    for (const write of writes) {
      expect(written(member)).toEqual([write]);
    }
    expect([member.writing, member.disk.former, member.disk.staged]).toEqual([null, [], null]);
    expect(member.disk.current?.chunks).toHaveLength(2);
  });

  test("which is current when the switch is on disk, and no sooner", () => {
    const member = follower();
    for (const write of [stageOf(5, 0, 2), switchOf(5)]) member.up.writeSnapshot(write);
    written(member);
    expect(member.up.snapshot).toBeNull();
    expect(() => member.up.compact(1)).toThrow(AssertionError);
    written(member);
    expect(member.up.snapshot?.index).toBe(5);
    member.up.compact(4);
    member.settle();
    expect([member.up.log.start.index, member.disk.logStart.index]).toEqual([4, 4]);
    expect(member.disk.entries.map(({ index }) => index)).toEqual([5, 6]);
  });

  test("of what it has applied before its own disk had it, behind those entries", () => {
    const member = leaderOver();
    member.drain();
    for (const from of ["n2", "n3"]) member.up.step(acked(1, 1, from));
    member.up.propose("commands", dataOf(2));
    member.drain();
    for (const from of ["n2", "n3"]) member.up.step(acked(1, 2, from));
    member.drain();
    expect([member.state.index, member.up.durableIndex]).toEqual([2, 0]);
    const snapshot = member.takeSnapshot(1);
    expect([snapshot.index, member.up.durableIndex, member.up.snapshot]).toEqual([2, 2, snapshot]);
    member.crash("nothing");
    member.start();
    expect([member.state.index, member.up.lastIndex]).toEqual([2, 2]);
  });

  test("only of what is applied, in its term, and as its own", () => {
    for (const wrong of [
      switchOf(7),
      switchOf(5, 2),
      { ...switchOf(5), chain: "0".repeat(16) } as SnapshotWrite,
    ]) {
      const member = follower();
      member.up.writeSnapshot(stageOf(wrong.type === "switch" ? wrong.snapshot.index : 0, 0, 2));
      expect(() => member.up.writeSnapshot(wrong)).toThrow(AssertionError);
    }
    expect(() => follower().up.writeSnapshot({ type: "cut", index: 1 })).toThrow(AssertionError);
  });

  test("only whole and from the first chunk on", () => {
    const member = follower();
    expect(member.up.writeSnapshot(stageOf(5, 1))).toBe(false);
    expect(member.up.writeSnapshot(switchOf(5))).toBe(false);
    expect(member.up.writeSnapshot(stageOf(5, 0))).toBe(true);
    expect(member.up.writeSnapshot(stageOf(5, 2))).toBe(false);
    expect(member.up.writeSnapshot(stageOf(4, 1))).toBe(false);
    expect(member.up.writeSnapshot(switchOf(5))).toBe(false);
    expect(member.up.writeSnapshot(stageOf(5, 1))).toBe(true);
    expect(member.up.writeSnapshot(switchOf(5))).toBe(true);
    expect(member.up.writeSnapshot(switchOf(5))).toBe(false);
    expect(member.settle().map(describeMessage)).toEqual([]);
    expect(member.disk.current?.snapshot.index).toBe(5);
  });

  test("later than the one before, which can then be dropped, and only then", () => {
    const member = follower();
    member.takeSnapshot(2);
    expect(member.up.writeSnapshot(stageOf(6, 0))).toBe(false);
    member.up.step(append(1, 6, 1, [1], 7));
    member.settle();
    const { nonce, index } = member.takeSnapshot(2);
    expect(member.disk.former).toHaveLength(1);
    member.up.writeSnapshot(dropOf(6));
    member.settle();
    expect(member.disk.former).toEqual([]);
    member.up.writeSnapshot({ type: "drop", id: { index, nonce } });
    expect(() => member.settle()).toThrow(AssertionError);
  });

  test("and can give it up", () => {
    const member = follower();
    member.up.writeSnapshot(stageOf(5, 0));
    member.up.writeSnapshot(dropOf(5));
    expect(member.up.writeSnapshot(stageOf(5, 1))).toBe(false);
    member.settle();
    expect(member.disk.staged).toBeNull();
  });
});

describe("a snapshot of its own, and one that comes", () => {
  const coming = snapshotOf(9, 2, { chunks: 2 });

  test("what comes takes the place of what is taken", () => {
    const member = follower();
    member.up.writeSnapshot(stageOf(5, 0));
    member.up.step(chunkOf(3, coming, 0));
    expect(member.up.writeSnapshot(stageOf(5, 1))).toBe(false);
    expect(member.up.writeSnapshot(stageOf(5, 0))).toBe(false);
    member.up.step(chunkOf(3, coming, 1));
    member.settle();
    expect(member.state.index).toBe(9);
    expect(member.up.writeSnapshot(stageOf(5, 1))).toBe(false);
    expect(member.up.writeSnapshot(stageOf(5, 0))).toBe(false);
    expect([member.disk.current?.snapshot, member.disk.staged]).toEqual([coming, null]);
  });

  test("a switch that waits already is made, and the other follows", () => {
    const member = follower();
    for (const write of [stageOf(5, 0, 2), switchOf(5)]) member.up.writeSnapshot(write);
    member.up.step(chunkOf(3, coming, 0));
    member.up.step(chunkOf(3, coming, 1));
    written(member);
    written(member);
    expect(member.up.snapshot?.index).toBe(5);
    member.settle();
    expect(member.up.snapshot).toEqual(coming);
    expect([member.disk.former, member.up.isInstalling]).toEqual([[], false]);
  });

  test("when the log has started again, nothing of the old one is cut off any more", () => {
    const member = follower();
    member.takeSnapshot(1);
    member.up.step(chunkOf(3, coming, 0));
    member.settle();
    member.up.step(chunkOf(3, coming, 1));
    while (member.writing?.snapshot?.type !== "switch") {
      member.persist();
      member.drain();
    }
    member.up.compact(4);
    expect(member.up.log.start.index).toBe(4);
    member.persist();
    member.drain();
    expect([member.up.log.start.index, member.writing?.snapshot?.type]).toEqual([9, "drop"]);
    const told = member.snapshotWritten.length;
    member.persist();
    member.drain();
    expect([member.writing, member.snapshotWritten.length - told]).toEqual([null, 0]);
  });

  test("only of its own writes the caller is told", () => {
    const member = follower();
    member.takeSnapshot(1);
    member.up.compact(4);
    for (const chunk of [0, 1]) member.up.step(chunkOf(3, coming, chunk));
    member.settle();
    expect(member.up.snapshot).toEqual(coming);
    expect(member.snapshotWritten.map(({ type }) => type)).toEqual(["stage", "switch"]);
  });

  test("one that was overtaken makes room again", () => {
    const member = follower();
    member.up.step(chunkOf(3, coming, 0));
    member.settle();
    member.up.step(append(3, 6, 1, [1, 1, 2], 9));
    member.settle();
    expect(member.takeSnapshot(2).index).toBe(9);
    member.up.step(heartbeat(3));
    member.settle();
    expect(member.disk.current?.snapshot.index).toBe(9);
  });
});

test("a message of a snapshot is one readable line", () => {
  const snapshot = snapshotOf(9, 2, { nonce: 0xbeef });
  expect([chunkOf(3, snapshot, 1), questionOf(3, snapshot)].map(describeMessage)).toEqual([
    "n2>n1 t3 installSnapshot 9#beef of term 2 chunk 1 of 3 13B",
    "n2>n1 t3 installSnapshot 9#beef of term 2 chunk ?",
  ]);
});
