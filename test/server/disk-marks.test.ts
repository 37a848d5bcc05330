import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { DiskState } from "../../src/replica/disk-states.ts";
import { type DiskMarks, marksOf, nextDiskState, roomOf } from "../../src/server/disk-marks.ts";

const MARKS: DiskMarks = { lowBytes: 400, fullBytes: 100, reserveBytes: 0 };

/** The states on the way down and up again. */
function walk(rooms: readonly number[], marks = MARKS): DiskState[] {
  let state: DiskState = "ok";
  return rooms.map((room) => {
    state = nextDiskState(state, room, marks);
    return state;
  });
}

describe("the state of a disk", () => {
  test("begins below its mark and ends a quarter above it", () => {
    expect(walk([400, 399, 400, 499, 500])).toEqual(["ok", "low", "low", "low", "ok"]);
    expect(walk([100, 99, 100, 124, 125, 500])).toEqual([
      ...(["low", "full", "full", "full", "low", "ok"] as const),
    ]);
  });

  test("goes from room to none and back at once, where the room does", () => {
    expect(walk([1_000, 0, 1_000])).toEqual(["ok", "full", "ok"]);
  });

  test("is never what a mark of 0 stands for", () => {
    expect(walk([0, 0], { ...MARKS, lowBytes: 0, fullBytes: 0 })).toEqual(["ok", "ok"]);
    expect(walk([0, 10], { ...MARKS, fullBytes: 0 })).toEqual(["low", "low"]);
  });

  test("does not change while the room goes up and down by less than a quarter of the mark", () => {
    const near = fc.array(fc.integer({ min: 81, max: 99 }), { minLength: 1 });
    fc.assert(
      fc.property(near, (rooms) => {
        expect(new Set(walk([99, ...rooms]))).toEqual(new Set(["full"]));
      }),
    );
  });

  test("is the worse, the less room there is, whatever it was before", () => {
    const states: readonly DiskState[] = ["full", "low", "ok"];
    const room = fc.integer({ min: 0, max: 600 });
    fc.assert(
      fc.property(fc.constantFrom(...states), room, room, (before, one, other) => {
        const [less, more] = [Math.min(one, other), Math.max(one, other)];
        const rank = (at: number) => states.indexOf(nextDiskState(before, at, MARKS));
        expect(rank(less)).toBeLessThanOrEqual(rank(more));
      }),
    );
  });
});

describe("marks", () => {
  const MIB = 2 ** 20;
  const none = { diskLowBytes: null, diskFullBytes: null, diskReserveBytes: null };

  test("fit the disk where nobody says otherwise", () => {
    expect(marksOf(none, 2 ** 40)).toEqual({
      ...{ lowBytes: 512 * MIB, fullBytes: 256 * MIB, reserveBytes: 32 * MIB },
    });
    expect(marksOf(none, 200 * MIB)).toEqual({
      ...{ lowBytes: 20 * MIB, fullBytes: 10 * MIB, reserveBytes: 10 * MIB },
    });
  });

  test("are what was told, and 0 stays 0; full is never before low", () => {
    const told = { diskLowBytes: 5, diskFullBytes: 3, diskReserveBytes: 7 };
    expect(marksOf(told, 2 ** 40)).toEqual({ lowBytes: 5, fullBytes: 3, reserveBytes: 7 });
    const never = { ...none, diskLowBytes: 0, diskReserveBytes: 0 };
    expect(marksOf(never, 2 ** 40)).toEqual({ lowBytes: 0, fullBytes: 0, reserveBytes: 0 });
  });
});

describe("room", () => {
  test("is what is free without what the reserve is to hold", () => {
    expect(roomOf({ freeBytes: 100, heldBytes: 0, reserveBytes: 30 })).toBe(70);
    expect(roomOf({ freeBytes: 10, heldBytes: 0, reserveBytes: 30 })).toBe(0);
  });

  test("is the same when the reserve is made, and when it is given back", () => {
    const made = roomOf({ freeBytes: 70, heldBytes: 30, reserveBytes: 30 });
    expect(made).toBe(roomOf({ freeBytes: 100, heldBytes: 0, reserveBytes: 30 }));
    expect(made).toBe(roomOf({ freeBytes: 90, heldBytes: 10, reserveBytes: 30 }));
  });

  test("does not count what a reserve holds beyond what it is to hold: it is not free", () => {
    expect(roomOf({ freeBytes: 70, heldBytes: 50, reserveBytes: 30 })).toBe(70);
  });
});
