import { describe, expect, test } from "vitest";
import { describeMessage } from "../../src/raft/describe.ts";
import type { RaftMessage } from "../../src/raft/messages.ts";
import type { SnapshotWrite } from "../../src/raft/types.ts";
import { AssertionError } from "../../src/util/assert.ts";
import { type Member, votersConf } from "./cluster.ts";
import {
  allOf,
  append,
  chunkOf,
  heartbeat,
  memberOf,
  only,
  questionOf,
  requestVote,
  termsOf,
  told,
} from "./conversation.ts";
import { snapshotOf } from "./disk.ts";

/** At 9 in term 2, of three chunks. */
const snapshot = snapshotOf(9, 2);
const answersOf = (messages: readonly RaftMessage[]): string[] => messages.map(describeMessage);
const matchesOf = (messages: readonly RaftMessage[]): number[] =>
  allOf(messages, "appendEntriesResponse").flatMap((answer) =>
    answer.success ? [answer.matchIndex] : [],
  );
const writeOf = (member: Member): SnapshotWrite | null => member.writing?.snapshot ?? null;

/** n1 with a log of `terms`, all chunks of the snapshot staged, and the switch in flight. */
function switching(terms: readonly number[] = [1, 1]): Member {
  const member = memberOf(terms);
  for (let chunk = 0; chunk < 3; chunk++) {
    member.up.step(chunkOf(3, snapshot, chunk));
    member.drain();
    while (writeOf(member)?.type !== "switch" && member.persist()) member.drain();
  }
  expect(writeOf(member)?.type).toBe("switch");
  return member;
}

describe("§7, Figure 13: who receives a snapshot", () => {
  test("1: answers a leader of a lower term with its own, and takes nothing of it", () => {
    const member = memberOf([1, 4]);
    member.up.step(chunkOf(3, snapshot, 0));
    expect(only(member.settle(), "appendEntriesResponse")).toMatchObject({
      term: 4,
      success: false,
    });
    expect([member.up.isInstalling, member.disk.staged]).toEqual([false, null]);
  });

  test("2, 3: begins with the first chunk, and answers each when it is on disk", () => {
    const member = memberOf([1, 1]);
    member.up.step(heartbeat(3));
    member.settle();
    member.up.step(chunkOf(3, snapshot, 0));
    expect(member.drain()).toEqual([]);
    expect(writeOf(member)).toMatchObject({ type: "stage", id: { index: 9, nonce: 9 }, first: 0 });
    member.persist();
    expect(answersOf(member.drain())).toEqual([
      "n1>n2 t3 installSnapshotResponse 9#9 next 1, received 1",
    ]);
    expect(member.received.map(({ type }) => type)).toEqual(["chunk"]);
  });

  test("4: what comes while a write is in flight goes to the disk together", () => {
    const member = memberOf([1, 1]);
    member.up.step(heartbeat(3));
    member.drain();
    for (let chunk = 0; chunk < 3; chunk++) member.up.step(chunkOf(3, snapshot, chunk));
    expect(member.drain()).toEqual([]);
    member.persist();
    member.drain();
    const write = writeOf(member);
    expect(write?.type === "stage" ? [write.first, write.chunks.length] : []).toEqual([0, 3]);
    member.persist();
    expect(only(member.drain(), "installSnapshotResponse")).toMatchObject({ next: 3, received: 3 });
    expect(writeOf(member)).toMatchObject({ type: "switch", chain: "chain 9@2" });
  });

  test("5 to 8: changes over in one step, and until that is durable is what it was", () => {
    const member = switching([1, 1]);
    expect(member.writing?.entries).toEqual([]);
    expect([member.up.commitIndex, member.up.lastIndex, member.up.snapshot]).toEqual([0, 2, null]);
    expect(matchesOf(member.drain())).toEqual([]);
    member.persist();
    expect([member.up.commitIndex, member.up.lastIndex, member.up.snapshot]).toEqual([
      9,
      9,
      snapshot,
    ]);
    expect(matchesOf(member.drain())).toEqual([9]);
    expect([member.state.index, member.committed]).toEqual([9, []]);
    expect(member.received.at(-1)).toEqual({ type: "installed", snapshot });
  });

  test("6: with an entry of the same index and term, keeps the log and installs nothing", () => {
    const member = memberOf([1, 2, 2, 2, 2]);
    const within = snapshotOf(3, 2);
    member.up.step(chunkOf(3, within, 0));
    expect(matchesOf(member.settle())).toEqual([3]);
    expect([member.up.isInstalling, member.up.commitIndex, termsOf(member)]).toEqual([
      false,
      3,
      [1, 2, 2, 2, 2],
    ]);
    expect(member.committed.map(({ index }) => index)).toEqual([1, 2, 3]);
  });

  test("6: and vouches only for what of it is durable", () => {
    const member = memberOf([1]);
    member.up.step(append(2, 1, 1, [2, 2]));
    member.drain();
    member.persist();
    member.drain();
    member.up.step(append(2, 3, 2, [2]));
    member.drain();
    member.up.step(chunkOf(2, snapshotOf(4, 2), 0));
    expect([member.up.commitIndex, matchesOf(member.drain())]).toEqual([4, [3]]);
    member.persist();
    expect(matchesOf(member.drain())).toEqual([4]);
  });

  test("7: discards the whole log otherwise, also what stands behind", () => {
    const member = switching(new Array(12).fill(1));
    member.persist();
    expect([member.up.log.start, member.up.lastIndex]).toEqual([{ index: 9, term: 2 }, 9]);
    expect(member.disk).toMatchObject({ logStart: { index: 9, term: 2 }, entries: [] });
    member.up.step(append(3, 9, 2, [3]));
    expect(matchesOf(member.settle()).at(-1)).toBe(10);
  });

  test("8: takes the configuration of the snapshot", () => {
    const conf = votersConf(["n1", "n2", "n3", "n4", "n5"]);
    const five = snapshotOf(9, 2, { conf, chunks: 1 });
    const member = memberOf([1, 1]);
    member.up.step(chunkOf(3, five, 0));
    member.drain();
    expect(member.up.conf.voters).toHaveLength(3);
    member.settle();
    expect(member.up.conf.voters).toHaveLength(5);
    member.tick(20);
    expect(allOf(member.settle(), "preVote")).toHaveLength(8);
    member.up.step(requestVote(5, 20, 4, "n5"));
    expect(only(member.settle(), "requestVoteResponse").granted).toBe(true);
  });

  test("hears its leader by it", () => {
    const member = memberOf([1, 1]);
    for (let time = 0; time < 10; time++) {
      member.tick(5);
      member.up.step(questionOf(3, snapshot));
      member.settle();
    }
    expect([member.up.role, member.up.leader]).toEqual(["follower", "n2"]);
  });
});

describe("chunks that are late, doubled, out of order, or of something else", () => {
  test("a chunk out of turn is not taken, and answered with what is wanted", () => {
    const member = memberOf([1, 1]);
    member.up.step(chunkOf(3, snapshot, 0));
    member.settle();
    member.up.step(chunkOf(3, snapshot, 2));
    member.up.step(chunkOf(3, snapshot, 0));
    expect(answersOf(member.settle())).toEqual([
      "n1>n2 t3 installSnapshotResponse 9#9 next 1, received 1",
      "n1>n2 t3 installSnapshotResponse 9#9 next 1, received 1",
    ]);
    expect(member.disk.staged?.chunks).toHaveLength(1);
  });

  test("a doubled chunk is answered with what is durable, no sooner", () => {
    const member = memberOf([1, 1]);
    member.up.step(heartbeat(3));
    member.settle();
    member.up.step(chunkOf(3, snapshot, 0));
    member.drain();
    member.up.step(chunkOf(3, snapshot, 0));
    expect(only(member.drain(), "installSnapshotResponse")).toMatchObject({ next: 0, received: 1 });
  });

  test("a question stores nothing, and a chunk in the middle begins nothing", () => {
    const member = memberOf([1, 1]);
    member.up.step(questionOf(3, snapshot));
    member.up.step(chunkOf(3, snapshot, 1));
    expect(answersOf(member.settle())).toEqual([
      "n1>n2 t3 installSnapshotResponse 9#9 next 0, received 0",
      "n1>n2 t3 installSnapshotResponse 9#9 next 0, received 0",
    ]);
    expect([member.up.isInstalling, member.received]).toEqual([false, []]);
  });

  test("64: a late chunk 0 of an earlier snapshot does not begin it again", () => {
    const member = memberOf([1, 1]);
    member.up.step(chunkOf(3, snapshot, 0));
    member.settle();
    member.up.step(chunkOf(3, snapshotOf(5, 2), 0));
    expect(member.settle()).toEqual([]);
    member.up.step(chunkOf(3, snapshot, 1));
    member.settle();
    expect(member.disk.staged).toMatchObject({ id: { index: 9 }, chunks: { length: 2 } });
  });

  test("64: a later one of the same leader, or any of a new leader, takes its place", () => {
    const member = memberOf([1, 1]);
    for (const [term, next] of [
      [3, snapshot],
      [3, snapshotOf(12, 2)],
      [4, snapshotOf(7, 2)],
    ] as const) {
      member.up.step(chunkOf(term, next, 0));
      member.settle();
      expect(member.disk.staged).toMatchObject({
        id: { index: next.index },
        chunks: { length: 1 },
      });
    }
    for (const chunk of [1, 2]) member.up.step(chunkOf(4, snapshotOf(7, 2), chunk));
    expect(matchesOf(member.settle())).toEqual([7]);
    expect(member.state.index).toBe(7);
  });

  test("64: a leader that has the same snapshot goes on where another has ended", () => {
    const member = memberOf([1, 1]);
    member.up.step(chunkOf(3, snapshot, 0));
    member.up.step(chunkOf(3, snapshot, 1));
    member.settle();
    member.up.step(questionOf(4, snapshot, "n3"));
    expect(only(member.settle(), "installSnapshotResponse")).toMatchObject({ to: "n3", next: 2 });
    member.up.step(chunkOf(4, snapshotOf(5, 2), 0, "n3"));
    expect(member.settle()).toEqual([]);
    member.up.step(chunkOf(4, snapshot, 2, "n3"));
    expect(matchesOf(member.settle())).toEqual([9]);
  });

  test("who is asked says what it has of the log as well, which may spare it the snapshot", () => {
    const member = memberOf([1, 1]);
    member.up.step(append(3, 2, 1, [1, 1]));
    member.settle();
    member.up.step(questionOf(3, snapshot));
    expect(answersOf(member.settle())).toEqual([
      "n1>n2 t3 appendEntriesResponse match 4",
      "n1>n2 t3 installSnapshotResponse 9#9 next 0, received 0",
    ]);
  });

  test("of what is committed here, nothing is taken, and it is vouched for (pitfall 61)", () => {
    const member = switching();
    member.persist();
    member.drain();
    const before = member.received.length;
    member.up.step(chunkOf(3, snapshotOf(5, 2), 0));
    member.up.step(chunkOf(3, snapshot, 0));
    member.up.step(questionOf(3, snapshot));
    expect(matchesOf(member.settle())).toEqual([9, 9, 9]);
    expect([member.received.length, member.up.isInstalling, member.up.commitIndex]).toEqual([
      before,
      false,
      9,
    ]);
  });

  test("while the switch is on its way, another is not begun", () => {
    const member = switching();
    member.up.step(chunkOf(3, snapshotOf(12, 2), 0));
    member.up.step(chunkOf(3, snapshot, 0));
    expect(answersOf(member.drain())).toEqual([
      "n1>n2 t3 installSnapshotResponse 9#9 next 3, received 3",
    ]);
    member.settle();
    expect([member.state.index, member.up.isInstalling]).toEqual([9, false]);
  });
});

describe("what the log does meanwhile", () => {
  test("17: nobody campaigns while a snapshot comes, but votes", () => {
    const member = memberOf([1, 1]);
    member.up.step(chunkOf(3, snapshot, 0));
    member.settle();
    member.tick(100);
    expect([member.up.role, member.settle()]).toEqual(["follower", []]);
    member.up.step(told({ type: "preVote", term: 4, lastLogIndex: 2, lastLogTerm: 1 }));
    member.up.step(requestVote(4, 9, 2));
    const answers = member.settle();
    expect(only(answers, "preVoteResponse").granted).toBe(true);
    expect(only(answers, "requestVoteResponse").granted).toBe(true);
  });

  test("entries are taken, written and acknowledged as ever", () => {
    const member = memberOf([1, 1]);
    member.up.step(chunkOf(3, snapshot, 0));
    member.settle();
    member.up.step(append(3, 2, 1, [1, 1], 3));
    expect(matchesOf(member.settle())).toEqual([4]);
    expect([member.up.commitIndex, member.up.isInstalling]).toEqual([3, true]);
  });

  test("a log that reaches the snapshot has overtaken it: what is staged goes", () => {
    const member = memberOf([1, 1]);
    member.up.step(chunkOf(3, snapshot, 0));
    member.settle();
    member.up.step(append(3, 2, 1, [1, 1, 1, 1, 1, 1, 2, 2], 4));
    expect([member.up.isInstalling, member.up.commitIndex]).toEqual([false, 9]);
    expect(matchesOf(member.settle())).toEqual([10]);
    expect([member.disk.staged, member.received.at(-1)?.type]).toEqual([null, "abandoned"]);
    expect(member.state.index).toBe(9);
  });

  test("overtaken before the switch is handed out, it is not made", () => {
    const member = memberOf([1, 1]);
    for (const chunk of [0, 1, 2]) member.up.step(chunkOf(3, snapshot, chunk));
    member.drain();
    member.persist();
    member.up.step(append(3, 2, 1, [1, 1, 1, 1, 1, 1, 2, 2], 9));
    member.settle();
    expect([member.up.log.start.index, member.up.snapshot, member.disk.staged]).toEqual([
      0,
      null,
      null,
    ]);
    expect([member.state.index, member.up.isInstalling]).toEqual([9, false]);
  });

  test("entries up to the snapshot that come while the switch is in flight are not needed", () => {
    const member = switching();
    member.up.step(append(3, 2, 1, [1, 1]));
    expect(member.drain()).toEqual([]);
    member.persist();
    expect(matchesOf(member.drain())).toEqual([9]);
    expect([member.writing, member.up.lastIndex]).toEqual([null, 9]);
  });

  test("entries that wait for the disk when the switch is handed out are not written for nothing", () => {
    const member = memberOf([1, 1]);
    for (const chunk of [0, 1, 2]) member.up.step(chunkOf(3, snapshot, chunk));
    member.drain();
    member.up.step(append(3, 2, 1, [1, 1]));
    member.persist();
    member.drain();
    expect(member.writing).toMatchObject({ entries: [], snapshot: { type: "switch" } });
    member.persist();
    expect([matchesOf(member.drain()), member.writing]).toEqual([[9], null]);
  });

  test("entries behind it that come while the switch is in flight stay, and are written again", () => {
    const member = switching();
    member.up.step(append(3, 2, 1, [1, 1, 1, 1, 1, 1, 2, 3, 3]));
    member.up.step(append(3, 11, 3, [3]));
    member.persist();
    expect(matchesOf(member.drain())).toEqual([9]);
    expect(member.writing?.entries.map(({ index }) => index)).toEqual([10, 11, 12]);
    member.persist();
    expect(matchesOf(member.drain())).toEqual([12]);
    expect(member.disk.entries.map(({ index }) => index)).toEqual([10, 11, 12]);
  });

  test("a state machine that got past it while the switch was in flight does not go back", () => {
    const member = switching();
    member.up.step(append(3, 2, 1, [1, 1, 1, 1, 1, 1, 2, 3, 3], 10));
    member.drain();
    expect(member.state.index).toBe(10);
    member.persist();
    member.settle();
    expect(member.received.at(-1)?.type).toBe("abandoned");
    expect([member.state.index, member.up.commitIndex, member.up.snapshot]).toEqual([
      10,
      10,
      snapshot,
    ]);
    expect(member.committed.map(({ index }) => index)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  test("what was committed and not handed out is not handed out behind the snapshot", () => {
    const member = switching();
    member.up.step(append(3, 2, 1, [1, 1, 1, 1, 1, 1, 2, 3, 3], 5));
    member.persist();
    member.settle();
    expect([member.committed, member.state.index]).toEqual([[], 9]);
    member.up.step(append(3, 11, 3, [], 11));
    member.settle();
    expect(member.committed.map(({ index }) => index)).toEqual([10, 11]);
  });

  test("a new leader hears of it as well when it is installed", () => {
    const member = switching();
    member.up.step({ ...heartbeat(4), from: "n3" });
    member.persist();
    member.drain();
    member.persist();
    const answers = allOf(member.drain(), "appendEntriesResponse");
    expect(answers).toMatchObject([{ to: "n3", term: 4, matchIndex: 9 }]);
  });

  test("with the snapshot the node has its place in elections (§5.4.1)", () => {
    const member = switching();
    member.persist();
    member.settle();
    member.tick(10);
    expect(allOf(member.settle(), "preVote")).toMatchObject([
      { lastLogIndex: 9, lastLogTerm: 2 },
      { lastLogIndex: 9, lastLogTerm: 2 },
    ]);
    member.up.step(requestVote(4, 8, 2));
    expect(only(member.settle(), "requestVoteResponse").granted).toBe(false);
  });
});

describe("crashes while a snapshot comes (pitfall 60)", () => {
  test.each(["nothing", "hardState", "everything"] as const)(
    "behind every write, of which %s is left, it is the old state or the new one",
    (survives) => {
      for (let crashAt = 1; crashAt <= 5; crashAt++) {
        const member = memberOf([1, 1]);
        let writes = 0;
        for (let chunk = 0; chunk < 3; chunk++) {
          member.up.step(chunkOf(3, snapshot, chunk));
          member.drain();
          while (member.writing !== null && ++writes < crashAt) {
            member.persist();
            member.drain();
          }
          if (writes >= crashAt) break;
        }
        const isSwitch = writeOf(member)?.type === "switch";
        member.crash(survives);
        member.start();
        // Three chunks and the switch; a fifth write there is none.
        const isNew = crashAt === 5 || (isSwitch && survives === "everything");
        expect([member.up.lastIndex, member.state.index]).toEqual(isNew ? [9, 9] : [2, 0]);
        expect(member.up.isInstalling).toBe(false);
        member.up.step(questionOf(3, snapshot));
        const [answer] = member.settle().slice(-1);
        expect(answer).toMatchObject(
          isNew ? { success: true, matchIndex: 9 } : { next: 0, received: 0 },
        );
      }
    },
  );

  test("the former snapshot goes when the new one is current", () => {
    const member = switching();
    member.settle();
    const later = snapshotOf(20, 3, { chunks: 1 });
    member.up.step(chunkOf(3, later, 0));
    member.settle();
    expect([member.disk.current?.snapshot, member.disk.former]).toEqual([later, []]);
  });

  test("a start with a snapshot that the log does not reach, or without chunks, stops (pitfall 62)", () => {
    const current = { snapshot, chunks: [] };
    const entries = memberOf([1, 1]).disk.entries;
    const start = (disk: object) => () =>
      memberOf([], { hardState: { term: 3, vote: null }, ...disk });
    expect(start({ entries, current: { snapshot, chunks: current.chunks } })).toThrow();
    const whole = switching();
    whole.persist();
    expect(start({ ...whole.disk })).not.toThrow();
    expect(start({ ...whole.disk, logStart: { index: 8, term: 2 } })).toThrow(AssertionError);
    expect(start({ ...whole.disk, logStart: { index: 10, term: 2 } })).toThrow(AssertionError);
    expect(start({ ...whole.disk, logStart: { index: 9, term: 1 } })).toThrow(AssertionError);
    expect(start({ logStart: { index: 9, term: 2 } })).toThrow(AssertionError);
  });
});
