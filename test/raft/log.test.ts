import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RaftLog } from "../../src/raft/log.ts";
import type { Entry } from "../../src/raft/types.ts";
import { AssertionError } from "../../src/util/assert.ts";
import { entriesOf } from "./cluster.ts";

const EMPTY = { index: 0, term: 0 };
const logOf = (terms: readonly number[]): RaftLog => new RaftLog(EMPTY, entriesOf(terms));

describe("what stands in the log", () => {
  test("entries follow the snapshot without a gap, in terms that never fall", () => {
    expect(() => new RaftLog(EMPTY, entriesOf([1], 2))).toThrow(AssertionError);
    expect(() => new RaftLog(EMPTY, entriesOf([2, 1]))).toThrow(AssertionError);
    const log = new RaftLog({ index: 10, term: 3 }, entriesOf([3, 4], 11));
    expect([log.firstIndex, log.lastIndex, log.lastTerm, log.durableIndex]).toEqual([
      11, 12, 4, 12,
    ]);
    expect([9, 10, 11, 12, 13].map((index) => log.termAt(index))).toEqual([
      undefined,
      3,
      3,
      4,
      undefined,
    ]);
    expect(() => log.append(entriesOf([4], 14))).toThrow(AssertionError);
  });

  test("a log that is only a snapshot ends in the snapshot's term", () => {
    const log = new RaftLog({ index: 10, term: 3 }, []);
    expect([log.lastIndex, log.lastTerm, log.termAt(10)]).toEqual([10, 3, 3]);
    expect(() => log.truncate(10)).toThrow(AssertionError);
  });

  test("a slice keeps to both limits, but holds one entry however large", () => {
    const log = logOf([1, 1, 1, 1]);
    const indexes = (entries: readonly Entry[]): number[] => entries.map(({ index }) => index);
    expect(indexes(log.slice(2, 10, 1000))).toEqual([2, 3, 4]);
    expect(indexes(log.slice(2, 2, 1000))).toEqual([2, 3]);
    expect(indexes(log.slice(2, 10, 8))).toEqual([2, 3]);
    expect(indexes(log.slice(2, 10, 1))).toEqual([2]);
    expect(indexes(log.slice(5, 10, 1000))).toEqual([]);
  });

  test("§5.4.1: the later last term is more up to date, then the longer log", () => {
    const log = logOf([1, 2, 2]);
    expect(log.isUpToDate(1, 3)).toBe(true);
    expect(log.isUpToDate(3, 2)).toBe(true);
    expect(log.isUpToDate(2, 2)).toBe(false);
    expect(log.isUpToDate(9, 1)).toBe(false);
  });

  test("the conflict search finds what a walk down the log finds", () => {
    const steps = fc.array(fc.nat(2), { maxLength: 30 });
    fc.assert(
      fc.property(steps, fc.nat(35), fc.nat(40), (rises, index, term) => {
        let last = 1;
        const terms = rises.map((rise) => {
          last += rise;
          return last;
        });
        let walked = Math.min(index, terms.length);
        while (walked > 0 && (terms[walked - 1] ?? 0) > term) walked--;
        expect(logOf(terms).lastIndexWithTermAtMost(index, term)).toBe(walked);
      }),
    );
  });
});

describe("what of it is on disk (pitfall 33)", () => {
  test("a write vouches for what it held when it was taken, and not for what came after", () => {
    const log = logOf([1]);
    log.append(entriesOf([1, 1], 2));
    expect(log.takeUnhanded().map(({ index }) => index)).toEqual([2, 3]);
    log.append(entriesOf([1], 4));
    log.written();
    expect(log.durableIndex).toBe(3);
    expect(log.takeUnhanded().map(({ index }) => index)).toEqual([4]);
    log.written();
    expect(log.durableIndex).toBe(4);
  });

  test("a write that was truncated while in flight vouches for what is left of it", () => {
    const log = logOf([1]);
    log.append(entriesOf([1, 1, 1], 2));
    log.takeUnhanded();
    log.truncate(3);
    log.append(entriesOf([2, 2], 3));
    log.written();
    expect(log.durableIndex).toBe(2);
    expect(log.takeUnhanded().map(({ index, term }) => `${index}@${term}`)).toEqual(["3@2", "4@2"]);
  });

  test("nor does it for the same entry cut and appended again (ABA)", () => {
    const log = logOf([1]);
    const [again] = entriesOf([1], 2);
    log.append(entriesOf([1], 2));
    log.takeUnhanded();
    log.truncate(2);
    log.append([again as Entry]);
    log.written();
    expect(log.durableIndex).toBe(1);
    expect(log.takeUnhanded()).toEqual([again]);
    log.written();
    expect(log.durableIndex).toBe(2);
  });

  test("a truncation takes back what was durable", () => {
    const log = logOf([1, 1, 1]);
    log.truncate(2);
    expect(log.durableIndex).toBe(1);
    log.append(entriesOf([2, 2], 2));
    expect(log.durableIndex).toBe(1);
  });

  test("the disk holds what durableIndex says, whatever is appended, cut and written when", () => {
    const acts = fc.array(fc.tuple(fc.constantFrom("append", "cut", "take", "done"), fc.nat(9)), {
      maxLength: 60,
    });
    fc.assert(
      fc.property(acts, (schedule) => {
        const log = logOf([]);
        const disk: Entry[] = [];
        let writing: readonly Entry[] | null = null;
        let term = 1;
        for (const [act, size] of schedule) {
          if (act === "append")
            log.append(entriesOf(new Array(size).fill(term), log.lastIndex + 1));
          if (act === "cut" && log.lastIndex > 0) {
            log.truncate((size % log.lastIndex) + 1);
            term++;
          }
          if (act === "take" && writing === null) writing = log.takeUnhanded();
          if (act === "done" && writing !== null) {
            if (writing[0] !== undefined) disk.length = writing[0].index - 1;
            disk.push(...writing);
            writing = null;
            log.written();
          }
          log.checkInvariants();
          for (let index = 1; index <= log.durableIndex; index++) {
            expect(disk[index - 1]).toBe(log.entryAt(index));
          }
        }
      }),
    );
  });
});
