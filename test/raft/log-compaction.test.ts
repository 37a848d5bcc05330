import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RaftLog } from "../../src/raft/log.ts";
import type { LogStart } from "../../src/raft/snapshot.ts";
import type { Entry } from "../../src/raft/types.ts";
import { AssertionError } from "../../src/util/assert.ts";
import { entriesOf } from "./cluster.ts";

const logOf = (terms: readonly number[], start = { index: 0, term: 0 }): RaftLog =>
  new RaftLog(start, entriesOf(terms, start.index + 1));
const indexes = (entries: readonly Entry[]): number[] => entries.map(({ index }) => index);

describe("§7 a log that is cut", () => {
  test("knows of the last entry that it lost its term, and of those before it nothing", () => {
    const log = logOf([1, 1, 2, 2, 3]);
    log.compact(3);
    expect(log.start).toEqual({ index: 3, term: 2 });
    expect([2, 3, 4, 5, 6].map((index) => log.termAt(index))).toEqual([
      undefined,
      2,
      2,
      3,
      undefined,
    ]);
    expect([log.entryAt(3), log.firstIndex, log.lastIndex]).toEqual([undefined, 4, 5]);
    expect(indexes(log.between(3, 5))).toEqual([4, 5]);
    expect(() => log.between(2, 5)).toThrow(AssertionError);
    expect(() => log.slice(3, 10, 1000)).toThrow(AssertionError);
    expect(() => log.truncate(3)).toThrow(AssertionError);
  });

  test("may be cut up to its end, and goes on from there", () => {
    const log = logOf([1, 1, 2]);
    log.compact(3);
    expect([log.lastIndex, log.lastTerm, log.durableIndex]).toEqual([3, 2, 3]);
    log.append(entriesOf([2], 4));
    expect(indexes(log.takeUnhanded())).toEqual([4]);
    log.truncate(4);
    expect([log.lastIndex, log.lastTerm]).toEqual([3, 2]);
  });

  test("is not cut before its start, nor of what is not durable", () => {
    const log = logOf([1, 1, 1]);
    log.append(entriesOf([1], 4));
    log.compact(2);
    expect(() => log.compact(1)).toThrow(AssertionError);
    expect(() => log.compact(4)).toThrow(AssertionError);
    log.takeUnhanded();
    expect(() => log.compact(4)).toThrow(AssertionError);
    log.written();
    log.compact(4);
    expect(log.start.index).toBe(4);
  });
});

describe("§7 a log behind a snapshot that was installed", () => {
  test("is empty where it had another entry there, or ended before (Figure 13, step 7)", () => {
    const other = logOf([1, 1, 1, 1]);
    other.restore({ index: 3, term: 2 });
    expect([other.start, other.lastIndex, other.durableIndex]).toEqual([
      { index: 3, term: 2 },
      3,
      3,
    ]);
    const shorter = logOf([1, 1]);
    shorter.restore({ index: 9, term: 2 });
    expect([shorter.lastIndex, shorter.lastTerm, shorter.hasUnhanded]).toEqual([9, 2, false]);
  });

  test("keeps what follows the same entry, and writes it again (Figure 13, step 6; pitfall 61)", () => {
    const log = logOf([1, 1]);
    log.append(entriesOf([1, 2, 2], 3));
    log.restore({ index: 4, term: 2 });
    expect([log.start.index, log.lastIndex, log.durableIndex]).toEqual([4, 5, 4]);
    expect(indexes(log.takeUnhanded())).toEqual([5]);
  });

  test("does not go back", () => {
    expect(() => logOf([1], { index: 5, term: 1 }).restore({ index: 5, term: 1 })).toThrow(
      AssertionError,
    );
  });
});

/** The log as a list that is copied for every change. */
class NaiveLog {
  start: LogStart = { index: 0, term: 0 };
  entries: readonly Entry[] = [];
  durableIndex = 0;
  #writing: readonly Entry[] = [];
  #disk: readonly Entry[] = [];

  get lastIndex(): number {
    return this.start.index + this.entries.length;
  }

  termAt(index: number): number | undefined {
    return [this.start, ...this.entries].find((one) => one.index === index)?.term;
  }

  truncate(from: number): void {
    this.entries = this.entries.filter(({ index }) => index < from);
    this.#writing = this.#writing.filter(({ index }) => index < from);
    this.#disk = this.#disk.filter(({ index }) => index < from);
    this.#settle();
  }

  take(): readonly Entry[] {
    const known = new Set([...this.#disk, ...this.#writing]);
    const taken = this.entries.filter((entry) => !known.has(entry));
    this.#writing = [...this.#writing, ...taken];
    return taken;
  }

  written(): void {
    this.#disk = [...this.#disk, ...this.#writing];
    this.#writing = [];
    this.#settle();
  }

  compact(index: number): void {
    this.start = { index, term: this.termAt(index) ?? -1 };
    this.entries = this.entries.filter((entry) => entry.index > index);
    this.#settle();
  }

  restore(start: LogStart): void {
    const agrees = this.termAt(start.index) === start.term;
    this.entries = agrees ? this.entries.filter(({ index }) => index > start.index) : [];
    this.start = start;
    this.#disk = this.#writing = [];
    this.#settle();
  }

  #settle(): void {
    const onDisk = new Set(this.#disk);
    this.durableIndex = this.start.index;
    for (const entry of this.entries) {
      if (!onDisk.has(entry)) return;
      this.durableIndex = entry.index;
    }
  }
}

test("whatever is appended, truncated, written, cut and restored, it is what a plain list is", () => {
  const kinds = ["append", "append", "truncate", "take", "done", "cut", "restore"] as const;
  const acts = fc.array(fc.tuple(fc.constantFrom(...kinds), fc.nat(8)), {
    maxLength: 60,
    size: "max",
  });
  fc.assert(
    fc.property(acts, (schedule) => {
      const log = logOf([]);
      const naive = new NaiveLog();
      let term = 1;
      let isWriting = false;
      for (const [kind, size] of schedule) {
        const held = naive.lastIndex - naive.start.index;
        if (kind === "append") {
          const entries = entriesOf(new Array(size).fill(term), naive.lastIndex + 1);
          log.append(entries);
          naive.entries = [...naive.entries, ...entries];
        } else if (kind === "truncate" && held > 0) {
          const from = naive.start.index + 1 + (size % held);
          log.truncate(from);
          naive.truncate(from);
          term++;
        } else if (kind === "take" && !isWriting) {
          isWriting = true;
          expect(log.takeUnhanded()).toEqual(naive.take());
        } else if (kind === "done" && isWriting) {
          isWriting = false;
          log.written();
          naive.written();
        } else if (kind === "cut") {
          const index = naive.start.index + (size % (naive.durableIndex - naive.start.index + 1));
          log.compact(index);
          naive.compact(index);
        } else if (kind === "restore" && !isWriting) {
          const index = naive.start.index + 1 + size;
          const start = { index, term: size % 3 === 0 ? term : (naive.termAt(index) ?? term) };
          if (start.term < naive.start.term) continue;
          log.restore(start);
          naive.restore(start);
          term++;
        }
        log.checkInvariants();
        expect(log.start).toEqual(naive.start);
        expect(log.lastIndex).toBe(naive.lastIndex);
        expect(log.lastTerm).toBe(naive.termAt(naive.lastIndex));
        expect(log.durableIndex).toBe(naive.durableIndex);
        expect(log.between(log.start.index, log.lastIndex)).toEqual(naive.entries);
        for (let index = naive.start.index - 2; index <= naive.lastIndex + 1; index++) {
          expect(log.termAt(index)).toBe(naive.termAt(index));
        }
        const from = log.start.index + 1 + (size % (held + 1));
        expect(indexes(log.slice(from, 3, 8))).toEqual(
          indexes(naive.entries.filter(({ index }) => index >= from).slice(0, 2)),
        );
      }
    }),
    { numRuns: 150 },
  );
});

test("cutting costs a step an entry, in whatever pieces it is cut and however long the tail is", () => {
  const [entry] = entriesOf([1]);
  const entries = Array.from(
    { length: 200_000 },
    (_, at) => ({ ...entry, index: at + 1 }) as Entry,
  );
  const start = { index: 0, term: 0 };
  const cutInPieces = (piece: number): number => {
    const log = new RaftLog(start, entries);
    const beganAt = performance.now();
    for (let index = piece; index <= 100_000; index += piece) {
      log.compact(index);
      // A list that is moved with every cut needs 100,000 × 100,000 moves.
      if (index % 1000 === 0) expect(performance.now() - beganAt).toBeLessThan(2000);
    }
    expect(log.lastIndex).toBe(200_000);
    return performance.now() - beganAt;
  };
  const singlyMs = cutInPieces(1);
  const atOnceMs = cutInPieces(100_000);
  console.log(
    `100,000 entries cut: ${singlyMs.toFixed(2)} ms singly, ${atOnceMs.toFixed(2)} at once`,
  );
});
