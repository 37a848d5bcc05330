import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Progress } from "../../src/raft/progress.ts";
import type { Entry } from "../../src/raft/types.ts";
import { configOf, entriesOf } from "./cluster.ts";
import { snapshotOf } from "./disk.ts";

/** 4 bytes each. */
const some = (count: number, from: number): Entry[] => entriesOf(new Array(count).fill(1), from);

function replicating(matchIndex: number, overrides = {}): Progress {
  const progress = new Progress(configOf("n1", overrides), matchIndex + 1);
  progress.sent([]);
  progress.acknowledged(matchIndex);
  return progress;
}

describe("probing", () => {
  test("one message is out at a time, until it is answered or given up", () => {
    const progress = new Progress(configOf("n1"), 11);
    expect(progress.isOpen).toBe(true);
    progress.sent(some(2, 11));
    expect([progress.isOpen, progress.nextIndex]).toEqual([false, 11]);
    progress.heartbeatSent(1);
    progress.heartbeatAnswered(1, 12);
    expect(progress.isOpen).toBe(true);
  });

  test("entries that were not answered are not sent again before the peer answers", () => {
    const progress = new Progress(configOf("n1"), 11);
    progress.sent(some(2, 11));
    for (const round of [1, 2]) {
      progress.heartbeatSent(round);
      progress.heartbeatAnswered(round, 12);
      expect([progress.isOpen, progress.entriesMax]).toEqual([true, 0]);
      progress.sent([]);
    }
    progress.acknowledged(10);
    expect([progress.state, progress.entriesMax]).toEqual(["replicate", 64]);
  });

  test("entries from further back are sent with the first probe of them", () => {
    const progress = new Progress(configOf("n1"), 11);
    progress.sent(some(2, 11));
    progress.heartbeatSent(1);
    progress.heartbeatAnswered(1, 12);
    progress.sent([]);
    progress.rejected(10, 4);
    expect([progress.nextIndex, progress.entriesMax]).toEqual([5, 64]);
  });

  test("a rejection moves back to the hint, and only if it answers what is out", () => {
    const progress = new Progress(configOf("n1"), 11);
    expect(progress.rejected(10, 4)).toBe(false);
    progress.sent([]);
    expect(progress.rejected(9, 4)).toBe(false);
    expect(progress.rejected(10, 4)).toBe(true);
    expect([progress.nextIndex, progress.isOpen]).toEqual([5, true]);
    expect(progress.rejected(10, 2)).toBe(false);
    expect(progress.nextIndex).toBe(5);
  });

  test("a hint past the rejected index does not move it forward", () => {
    const progress = new Progress(configOf("n1"), 11);
    progress.sent([]);
    progress.rejected(10, 40);
    expect(progress.nextIndex).toBe(10);
  });

  test("it never goes back behind what the peer has vouched for", () => {
    const progress = new Progress(configOf("n1"), 11);
    progress.acknowledged(6);
    progress.sent([]);
    progress.rejected(10, 0);
    expect(progress.nextIndex).toBe(7);
    progress.sent([]);
    expect(progress.rejected(6, 0)).toBe(false);
    expect(progress.nextIndex).toBe(7);
  });

  test("a vouch short of the probe waits for the peer's disk instead of sending all again", () => {
    const progress = new Progress(configOf("n1"), 101);
    progress.sent(some(1, 101));
    expect(progress.acknowledged(0)).toBe(false);
    expect([progress.state, progress.nextIndex]).toEqual(["probe", 101]);
    expect(progress.acknowledged(101)).toBe(true);
    expect([progress.state, progress.nextIndex]).toEqual(["replicate", 102]);
  });
});

describe("replicating", () => {
  test("the window closes at its entries and opens as they are acknowledged", () => {
    const progress = replicating(10, { inflightEntriesMax: 3 });
    progress.sent(some(2, 11));
    expect([progress.isOpen, progress.entriesMax]).toEqual([true, 1]);
    progress.sent(some(1, 13));
    expect(progress.isOpen).toBe(false);
    progress.acknowledged(11);
    expect([progress.isOpen, progress.entriesMax]).toEqual([true, 1]);
  });

  test("the window closes at its bytes and opens as messages are acknowledged whole", () => {
    const progress = replicating(10, { inflightBytesMax: 12 });
    progress.sent(some(2, 11));
    expect([progress.isOpen, progress.bytesMax]).toEqual([true, 4]);
    progress.sent(some(1, 13));
    expect(progress.isOpen).toBe(false);
    progress.acknowledged(11);
    expect([progress.isOpen, progress.inflightBytes]).toEqual([false, 12]);
    progress.acknowledged(12);
    expect([progress.isOpen, progress.inflightBytes]).toEqual([true, 4]);
  });

  test("match never falls, whatever comes late or twice (pitfall 28)", () => {
    const progress = replicating(10);
    progress.sent(some(5, 11));
    expect(progress.acknowledged(13)).toBe(true);
    expect(progress.acknowledged(13)).toBe(false);
    expect(progress.acknowledged(11)).toBe(false);
    expect([progress.matchIndex, progress.nextIndex]).toEqual([13, 16]);
  });

  test("a rejection goes back to what is known, and a late one does nothing", () => {
    const progress = replicating(10);
    progress.sent(some(5, 11));
    expect(progress.rejected(10, 0)).toBe(false);
    expect(progress.rejected(16, 0)).toBe(false);
    expect(progress.rejected(13, 0)).toBe(true);
    expect([progress.state, progress.nextIndex]).toEqual(["probe", 11]);
    expect(progress.inflightBytes).toBe(0);
  });

  test("rejections send a window again once a heartbeat, not once each (pitfall 30)", () => {
    const progress = replicating(10);
    progress.sent(some(5, 11));
    expect(progress.rejected(13, 0)).toBe(true);
    progress.sent([]);
    progress.acknowledged(10);
    progress.sent(some(5, 11));
    expect(progress.rejected(14, 0)).toBe(false);
    progress.heartbeatSent(1);
    expect(progress.rejected(14, 0)).toBe(true);
  });

  test("an answered heartbeat asks once for what is missing, if anything is", () => {
    const progress = replicating(10);
    progress.sent(some(1, 11));
    progress.heartbeatAnswered(1, 11);
    expect(progress.isCheckDue).toBe(false);
    progress.heartbeatSent(2);
    progress.heartbeatAnswered(1, 11);
    expect(progress.isCheckDue).toBe(false);
    progress.heartbeatAnswered(2, 11);
    expect(progress.isCheckDue).toBe(true);
    progress.sent([]);
    progress.heartbeatAnswered(2, 11);
    expect(progress.isCheckDue).toBe(false);
    progress.acknowledged(11);
    progress.heartbeatSent(3);
    progress.heartbeatAnswered(3, 11);
    expect(progress.isCheckDue).toBe(false);
  });

  test("a broken link forgets the window and what was sent in it", () => {
    const progress = replicating(10);
    progress.sent(some(5, 11));
    progress.becomeProbe();
    expect([progress.state, progress.nextIndex, progress.inflightBytes]).toEqual(["probe", 11, 0]);
    progress.pause();
    expect(progress.isOpen).toBe(false);
  });
});

test("the window's accounts balance after any row of sends, answers, breaks and snapshots (pitfall 31)", () => {
  const acts = fc.array(
    fc.tuple(
      fc.constantFrom("send", "ack", "reject", "break", "beat", "snapshot", "stored", "end"),
      fc.nat(9),
    ),
    {
      maxLength: 80,
      size: "max",
    },
  );
  fc.assert(
    fc.property(acts, (schedule) => {
      const progress = new Progress(
        configOf("n1", { inflightEntriesMax: 5, inflightBytesMax: 16 }),
        6,
      );
      let round = 0;
      for (const [act, size] of schedule) {
        if (act === "send" && progress.isOpen) {
          progress.sent(some(Math.min(size, progress.entriesMax), progress.nextIndex));
        }
        if (act === "ack") {
          progress.acknowledged(Math.min(progress.matchIndex + size, progress.nextIndex - 1));
        }
        if (act === "reject") progress.rejected(progress.nextIndex - size, size);
        if (act === "break") progress.linkChanged(size > 4);
        if (act === "snapshot") progress.becomeSnapshot(snapshotOf(500 + size, 1));
        const { transfer } = progress;
        if (act === "stored" && transfer !== null) {
          if (transfer.isQuestionDue) transfer.asked();
          const { wanted } = transfer;
          if (wanted !== null) transfer.loading(wanted);
          if (wanted !== null) expect(transfer.loaded(wanted)).toBe(true);
          transfer.answered(Math.min(size, transfer.sent), transfer.sent);
        }
        if (act === "end" && transfer !== null) progress.endSnapshot();
        expect([
          progress.state === "snapshot",
          progress.isOpen && progress.transfer !== null,
        ]).toEqual([progress.transfer !== null, false]);
        if (act === "beat") {
          progress.heartbeatSent(++round);
          progress.heartbeatAnswered(round, 1000);
        }
        progress.checkInvariants(1000);
        expect(progress.inflightEntries).toBeGreaterThanOrEqual(0);
        if (progress.inflightEntries === 0) expect(progress.inflightBytes).toBe(0);
      }
    }),
  );
});
