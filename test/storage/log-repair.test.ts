import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeEntry, LOG_START, type LogPosition } from "../../src/storage/layout.ts";
import { LogRepair } from "../../src/storage/log-repair.ts";
import { entry } from "./fixture.ts";

interface Log {
  readonly values: readonly Uint8Array[];
  /** By index. */
  readonly positions: readonly LogPosition[];
}

/** Of these terms, from index 1 on; `text` makes two logs of the same terms differ. */
function logOf(terms: readonly number[], text = ""): Log {
  const positions = [LOG_START];
  const values = terms.map((term, at) => {
    const made = encodeEntry(entry(at + 1, term, `${text}${at + 1}`), end(positions).chain, at);
    positions.push(made.position);
    return made.value;
  });
  return { values, positions };
}

function end(positions: readonly LogPosition[]): LogPosition {
  return positions.at(-1) ?? LOG_START;
}

function at(log: Log, index: number): LogPosition {
  return log.positions[index] ?? LOG_START;
}

function without(log: Log, ...indices: readonly number[]): Uint8Array[] {
  return log.values.filter((_, place) => !indices.includes(place + 1));
}

function indices(repair: LogRepair): number[] {
  return [...repair.entries()].map(({ entry: { index } }) => index);
}

const TEN = logOf([1, 1, 1, 2, 2, 2, 2, 3, 3, 3]);

describe("the repair of a log", () => {
  it("asks for what is missing, from the end downwards, and is whole with it", () => {
    const repair = new LogRepair(LOG_START, at(TEN, 8), without(TEN, 3, 6, 7));
    expect(repair.end).toEqual(at(TEN, 10));
    expect(repair.state).toEqual({ type: "wants", wanted: 7 });
    expect(repair.offer(TEN.values.slice(5, 7))).toBe(true);
    expect(repair.state).toEqual({ type: "wants", wanted: 3 });
    expect(repair.offer(TEN.values.slice(2, 3))).toBe(true);
    expect(repair.state).toEqual({ type: "whole" });
    expect(indices(repair)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  it("reaches for the mark where nothing is left of the end", () => {
    const repair = new LogRepair(LOG_START, at(TEN, 9), without(TEN, 8, 9, 10));
    expect(repair.end).toEqual(at(TEN, 9));
    expect(repair.state).toEqual({ type: "wants", wanted: 9 });
    repair.offer(TEN.values);
    expect(indices(repair).at(-1)).toBe(9);
  });

  it("takes no entry of another log, nor an older one in the place of the right one", () => {
    const other = logOf([1, 1, 1, 1, 1, 1, 1], "other ");
    const repair = new LogRepair(LOG_START, at(TEN, 10), [...other.values, ...without(TEN, 5)]);
    expect(repair.state).toEqual({ type: "wants", wanted: 5 });
    expect(repair.offer(other.values)).toBe(false);
    expect(repair.offer(TEN.values)).toBe(true);
    expect([...repair.entries()].map(({ position }) => position)).toEqual(TEN.positions.slice(1));
  });

  it("ends with what was written last, also where that is of a lower term than what it replaced", () => {
    const before = logOf([1, 1, 1, 3]);
    const after = logOf([1, 1, 1, 2, 2]);
    const written = [...before.values, ...after.values.slice(3)];
    const lowered = new LogRepair(LOG_START, at(before, 3), written);
    expect(lowered.end).toEqual(at(after, 5));
    expect(lowered.state).toEqual({ type: "whole" });
    expect([...lowered.entries()].map(({ position }) => position)).toEqual(
      after.positions.slice(1),
    );
    expect(lowered.furthest).toEqual(at(before, 4));
    const raised = new LogRepair(LOG_START, at(after, 5), written);
    expect(raised.state).toEqual({ type: "whole" });
    const lost = new LogRepair(LOG_START, at(after, 5), before.values);
    expect(lost.state).toEqual({ type: "contradicts", index: 5 });
    expect(lost.furthest).toEqual(at(before, 4));
  });

  it("hands out at once what is at and below an index, however far above it that is", () => {
    const repair = new LogRepair(LOG_START, at(TEN, 10), without(TEN, 5));
    expect([...repair.valuesDownFrom(Number.MAX_SAFE_INTEGER)]).toHaveLength(9);
  });

  it("takes no bytes that are not an entry, or not whole", () => {
    const torn = Uint8Array.from(TEN.values[4] ?? []);
    torn[52] = (torn[52] ?? 0) ^ 1;
    const repair = new LogRepair(LOG_START, at(TEN, 10), without(TEN, 5));
    expect(repair.offer([torn, new Uint8Array(), new Uint8Array(200)])).toBe(false);
    expect(repair.state).toEqual({ type: "wants", wanted: 5 });
  });

  it("begins behind a snapshot", () => {
    const repair = new LogRepair(at(TEN, 4), at(TEN, 10), without(TEN, 4, 6));
    expect(repair.state).toEqual({ type: "wants", wanted: 6 });
    repair.offer(TEN.values);
    expect(repair.state).toEqual({ type: "whole" });
    expect(indices(repair)).toEqual([5, 6, 7, 8, 9, 10]);
    expect(repair.progress).toEqual({ proved: 6, all: 6 });
  });

  it("needs no entry from before a snapshot, and begins as low as it is proved", () => {
    const before = new LogRepair(LOG_START, at(TEN, 10), without(TEN, 2, 6), at(TEN, 7));
    expect(before.state).toEqual({ type: "whole" });
    expect(before.start).toEqual(at(TEN, 7));
    expect(indices(before)).toEqual([8, 9, 10]);
    const below = new LogRepair(LOG_START, at(TEN, 10), without(TEN, 2), at(TEN, 7));
    expect(below.state).toEqual({ type: "whole" });
    expect(below.start).toEqual(at(TEN, 3));
    expect(indices(below)).toEqual([4, 5, 6, 7, 8, 9, 10]);
    const all = new LogRepair(LOG_START, at(TEN, 10), TEN.values, at(TEN, 7));
    expect(all.start).toEqual(LOG_START);
    expect(indices(all)).toHaveLength(10);
    const nothing = new LogRepair(LOG_START, at(TEN, 7), [], at(TEN, 7));
    expect([nothing.state, nothing.start]).toEqual([{ type: "whole" }, at(TEN, 7)]);
    const behind = new LogRepair(LOG_START, at(TEN, 10), without(TEN, 8), at(TEN, 7));
    expect(behind.state).toEqual({ type: "wants", wanted: 8 });
  });

  it("is tied to its mark by entries where a snapshot was taken behind it", () => {
    const lost = new LogRepair(LOG_START, at(TEN, 5), without(TEN, 2, 6, 7, 8, 9, 10), at(TEN, 7));
    expect(lost.state).toEqual({ type: "wants", wanted: 7 });
    lost.offer(TEN.values.slice(5));
    expect([lost.state, lost.start, lost.end]).toEqual([{ type: "whole" }, at(TEN, 3), at(TEN, 7)]);
    const other = logOf([1, 1, 1, 2, 2, 2, 2, 3, 3, 3], "other ");
    const strange = new LogRepair(LOG_START, at(TEN, 5), other.values, at(other, 7));
    expect(strange.state).toEqual({ type: "contradicts", index: 5 });
  });

  it("says when the log contradicts its snapshot", () => {
    const other = logOf([1, 1, 1, 2, 2, 2, 2, 3, 3, 3], "other ");
    const repair = new LogRepair(LOG_START, at(TEN, 10), TEN.values, at(other, 7));
    expect(repair.state).toEqual({ type: "contradicts", index: 7 });
  });

  it("says when an entry knows of a commit that the log does not reach", () => {
    // Of two records of the mark the later one was lost, and with it the entries that it told of.
    const known = encodeEntry(entry(6, 2, "6"), at(TEN, 5).chain, 9).value;
    const repair = new LogRepair(LOG_START, at(TEN, 5), [...TEN.values.slice(0, 5), known]);
    expect(repair.state).toEqual({ type: "contradicts", index: 9 });
    // Of a peer's log it says nothing of this one.
    const offered = new LogRepair(LOG_START, at(TEN, 6), TEN.values.slice(0, 5));
    offered.offer([known]);
    expect(offered.state).toEqual({ type: "whole" });
  });

  it("is whole without an entry where the log is empty", () => {
    expect(new LogRepair(at(TEN, 4), at(TEN, 3), []).state).toEqual({ type: "whole" });
    expect(new LogRepair(LOG_START, LOG_START, []).state).toEqual({ type: "whole" });
  });

  it("says when the log contradicts its start or its mark", () => {
    const other = logOf([1, 1, 1, 2, 2, 2, 2, 3, 3, 3], "other ");
    const marked = new LogRepair(LOG_START, at(other, 8), TEN.values);
    expect(marked.state).toEqual({ type: "contradicts", index: 8 });
    const started = new LogRepair(at(other, 4), at(TEN, 10), TEN.values);
    expect(started.state).toEqual({ type: "contradicts", index: 4 });
    // The mark is lowered before the log is.
    const shorter = logOf([1, 1, 1, 4]);
    const lowered = new LogRepair(LOG_START, at(TEN, 10), [...shorter.values]);
    expect(lowered.state).toEqual({ type: "contradicts", index: 10 });
  });

  it("hands what it has to others, whole or not", () => {
    const repair = new LogRepair(LOG_START, at(TEN, 10), without(TEN, 5));
    const values = [...repair.valuesDownFrom(6)];
    expect(values).toEqual([
      TEN.values[5],
      TEN.values[3],
      TEN.values[2],
      TEN.values[1],
      TEN.values[0],
    ]);
  });

  it("of three members makes each whole where each entry is left with one of them", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 60 }),
        fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 60, maxLength: 60 }),
        (keepers, extra) => {
          let term = 1;
          const log = logOf(keepers.map((_, place) => (term += extra[place] === 3 ? 1 : 0)));
          const mark = end(log.positions);
          const members = [0, 1, 2].map((member) => {
            const kept = log.values.filter(
              (_, place) => keepers[place] === member || extra[place] === member,
            );
            return new LogRepair(LOG_START, mark, kept);
          });
          for (let rounds = 0; rounds <= keepers.length; rounds += 1) {
            for (const repair of members) {
              const { state } = repair;
              if (state.type !== "wants") continue;
              for (const other of members) repair.offer([...other.valuesDownFrom(state.wanted)]);
            }
          }
          for (const repair of members) {
            expect(repair.state).toEqual({ type: "whole" });
            expect([...repair.entries()].map(({ position }) => position)).toEqual(
              log.positions.slice(1),
            );
          }
        },
      ),
    );
  });
});
