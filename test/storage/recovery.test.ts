import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PersistRequest } from "../../src/raft/types.ts";
import { describeDamage } from "../../src/storage/damage.ts";
import {
  encodeEntry,
  entryKey,
  FORMAT_KEY,
  LOG_START,
  type LogPosition,
} from "../../src/storage/layout.ts";
import { MemoryDisk } from "../../src/storage/memory-storage.ts";
import { LogVerifier, type Verdict } from "../../src/storage/recovery.ts";
import type { Pointer } from "../../src/storage/snapshot-layout.ts";
import { encodeVote, firstVote } from "../../src/storage/vote-record.ts";
import {
  entriesBetween,
  entry,
  hardState,
  markOf,
  request,
  STEPS_MAX,
  setMark,
  snapshotAt,
} from "./fixture.ts";

/** Entries 1 to 6 in three batches of two; the mark was synced at `marked`. */
function diskMarkedAt(marked: 0 | 2 | 4 | 6): MemoryDisk {
  const disk = new MemoryDisk("0123456789abcdef");
  const { log } = disk.open();
  for (const [at, first] of [1, 3, 5].entries()) {
    log.persist(
      request(at + 1, {
        hardState: first === 1 ? hardState(1, "a") : null,
        entries: entriesBetween(first, first + 1, 1),
      }),
    );
    if (first + 1 === marked) log.syncMark();
  }
  return disk;
}

function keyOf(index: number): string {
  return entryKey(index).toString("hex");
}

function damageOf(disk: MemoryDisk): string {
  const verdict = disk.read();
  if (verdict === null) return "no vote";
  return verdict.type === "damaged" ? verdict.damage.what : "none";
}

function lengthOf(disk: MemoryDisk): number {
  const verdict = disk.read();
  return verdict?.type === "intact" ? verdict.loaded.entries.length : -1;
}

describe("a log that a crash may leave", () => {
  it("ends anywhere behind its mark", () => {
    for (const kept of [6, 5, 4]) {
      const disk = diskMarkedAt(4);
      for (let index = 6; index > kept; index -= 1) disk.records.delete(keyOf(index));
      expect(damageOf(disk)).toBe("none");
      expect(lengthOf(disk)).toBe(kept);
    }
  });

  it("is what it was before or after a persist that was cut at any step", () => {
    for (let steps = 0; steps <= STEPS_MAX; steps += 1) {
      const disk = diskMarkedAt(6);
      const { log } = disk.open();
      const replaced = { hardState: hardState(2, "b"), entries: [entry(4, 2)] };
      const done = log.persist(request(1, replaced), steps).map(({ type }) => type);
      const { loaded } = disk.open();
      expect(loaded.hardState).toEqual(
        done.includes("write") ? hardState(2, "b") : hardState(1, "a"),
      );
      expect(loaded.entries).toEqual(
        done.includes("batch")
          ? [...entriesBetween(1, 3, 1), entry(4, 2)]
          : entriesBetween(1, 6, 1),
      );
    }
  });
});

describe("a damaged log is told from it:", () => {
  it("it ends before its mark", () => {
    const disk = diskMarkedAt(4);
    for (const index of [4, 5, 6]) disk.records.delete(keyOf(index));
    expect(damageOf(disk)).toBe("endsBeforeMark");
    disk.records.clear();
    expect(damageOf(disk)).toBe("endsBeforeMark");
  });

  it("a record in the middle is missing, before or behind the mark", () => {
    for (const marked of [0, 2, 4, 6] as const) {
      for (const index of [1, 2, 3, 4, 5]) {
        const disk = diskMarkedAt(marked);
        disk.records.delete(keyOf(index));
        expect(damageOf(disk)).toBe(index === 1 ? "pointerMissing" : "hole");
      }
    }
  });

  it("a batch was lost that had overwritten entries, and their older selves are back", () => {
    const disk = diskMarkedAt(4);
    const before = new Map(disk.records);
    const { log } = disk.open();
    log.persist(request(1, { hardState: hardState(2), entries: entriesBetween(4, 5, 2) }));
    const overwritten = [keyOf(4), keyOf(5)];
    log.persist(request(2, { entries: [entry(6, 2)] }));
    for (const key of overwritten) disk.records.set(key, before.get(key)!);
    expect(damageOf(disk)).toBe("chain");
    disk.records.delete(keyOf(6));
    log.syncMark();
    expect(damageOf(disk)).toBe("endsBeforeMark");
    disk.records.set(keyOf(6), before.get(keyOf(6))!);
    expect(damageOf(disk)).toBe("notMarked");
  });

  it("a record of another node's log stands in it", () => {
    const disk = diskMarkedAt(0);
    const { key, value } = encodeEntry(entry(3, 1, "other"), LOG_START.chain, 0);
    disk.records.set(key.toString("hex"), value);
    expect(damageOf(disk)).toBe("chain");
  });

  it("it ends before what it knew to be committed", () => {
    const disk = diskMarkedAt(0);
    const { log } = disk.open();
    log.persist(request(1, { entries: entriesBetween(7, 9, 1), commitIndex: 9 }));
    log.syncMark();
    disk.records.delete(keyOf(9));
    expect(damageOf(disk)).toBe("endsBeforeMark");
    setMark(disk, LOG_START);
    expect(damageOf(disk)).toBe("endsBeforeCommit");
  });

  it("the stored term is behind an entry", () => {
    const disk = diskMarkedAt(0);
    const vote = encodeVote(firstVote(disk.incarnation));
    disk.files["vote-a"][0] = disk.files["vote-b"][0] = vote;
    expect(damageOf(disk)).toBe("termBehind");
  });

  it("both copies of the mark, or of the vote, are unreadable", () => {
    const disk = diskMarkedAt(4);
    disk.files.mark.fill(new Uint8Array(4096));
    expect(damageOf(disk)).toBe("markUnreadable");
    disk.files["vote-a"][0] = disk.files["vote-b"][0] = new Uint8Array(0);
    expect(damageOf(disk)).toBe("no vote");
  });

  it("a key among the entries is none", () => {
    const disk = diskMarkedAt(4);
    disk.records.set("65ff", new Uint8Array());
    expect(damageOf(disk)).toBe("strangeKey");
  });

  it("it refuses the start, in words", () => {
    const disk = diskMarkedAt(4);
    disk.records.delete(keyOf(2));
    expect(() => disk.open()).toThrow("entry 2 is missing although entry 3 is there");
  });
});

describe("a verdict on damage", () => {
  it("names the end of what is proved before it", () => {
    const disk = diskMarkedAt(6);
    disk.records.delete(keyOf(4));
    const verdict = disk.read() as Verdict & { type: "damaged" };
    expect(verdict.proved.index).toBe(3);
    expect(describeDamage(verdict.damage)).toContain("entry 4");
  });
});

describe("a log behind a snapshot", () => {
  const start = encodeEntry(entry(5, 2), LOG_START.chain, 0).position;
  const next = encodeEntry(entry(6, 2), start.chain, 0).position;

  function pointerAt(position: LogPosition): Pointer {
    const { index, term, chain } = position;
    return { snapshot: snapshotAt(index, term, 7), chain, logStart: start };
  }

  function verify(
    entries: readonly [index: number, previous: LogPosition][],
    mark: LogPosition,
    pointer = pointerAt(start),
  ): Verdict {
    const verifier = new LogVerifier(pointer);
    for (const [index, previous] of entries) {
      const { key, value } = encodeEntry(entry(index, 2), previous.chain, 5);
      verifier.take(key, value);
    }
    return verifier.finish(hardState(2), mark, []);
  }

  it("starts right behind it, and is linked to it", () => {
    expect(verify([[6, start]], start)).toMatchObject({ type: "intact" });
    expect(verify([[6, LOG_START]], start)).toMatchObject({ damage: { what: "chain", index: 6 } });
    expect(verify([[7, start]], start)).toMatchObject({ damage: { what: "hole", index: 6 } });
  });

  it("is without the entries that the snapshot covers, and does not ask an older mark", () => {
    const older = { ...LOG_START, index: 3, chain: "f".repeat(16) };
    const verdict = verify([[4, LOG_START]], older);
    expect(verdict).toMatchObject({ type: "intact", loaded: { entries: [], commitIndex: 5 } });
  });

  it("reaches the snapshot, with the entry that it was taken at", () => {
    const pointer = pointerAt(next);
    expect(verify([[6, start]], start, pointer)).toMatchObject({
      type: "intact",
      loaded: { logStart: { index: 5, term: 2 }, commitIndex: 6 },
    });
    expect(verify([], start, pointer)).toMatchObject({
      damage: { what: "endsBeforeSnapshot", lastIndex: 5, snapshotIndex: 6 },
    });
    for (const other of [
      { ...next, chain: start.chain },
      { ...next, term: 1 },
    ]) {
      expect(verify([[6, start]], start, pointerAt(other))).toMatchObject({
        damage: { what: "notSnapshotted", index: 6 },
      });
    }
  });

  it("is not behind the term of an installed snapshot, nor is the stored term", () => {
    const verdict = new LogVerifier(pointerAt(start)).finish(hardState(1), start, []);
    expect(verdict).toMatchObject({ damage: { what: "termBehind", entryTerm: 2 } });
  });
});

describe("over random logs and truncations", () => {
  /** Lengths of appends and how far each goes back, one term each. */
  const history = fc.array(fc.record({ back: fc.nat(3), count: fc.integer({ min: 1, max: 4 }) }), {
    minLength: 1,
    maxLength: 8,
  });

  function write(appends: readonly { back: number; count: number }[], synced: number): MemoryDisk {
    const disk = new MemoryDisk("0123456789abcdef");
    const { log } = disk.open();
    let length = 0;
    for (const [at, { back, count }] of appends.entries()) {
      const first = Math.max(0, length - back) + 1;
      length = first + count - 1;
      const entries = entriesBetween(first, length, at + 1);
      const parts: Partial<PersistRequest> = { hardState: hardState(at + 1, "a"), entries };
      log.persist(request(at + 1, parts));
      if (at === synced) log.syncMark();
    }
    return disk;
  }

  it("one changed byte anywhere is found, or changes nothing that is loaded", () => {
    fc.assert(
      fc.property(
        history,
        fc.nat(8),
        fc.nat(),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (appends, synced, which, where, mask) => {
          const disk = write(appends, synced);
          const before = JSON.stringify(disk.read());
          const flip = (bytes: Uint8Array): Uint8Array => {
            const copy = Uint8Array.from(bytes);
            copy[where % copy.length]! ^= mask;
            return copy;
          };
          // The record of the format is the directory's to judge.
          const isOfLog = (key: string): boolean => key !== FORMAT_KEY.toString("hex");
          const keys = [...disk.records.keys()].filter(isOfLog);
          const { mark, "vote-a": voteA, "vote-b": voteB } = disk.files;
          const blocks = [
            [voteA, 0],
            [voteB, 0],
            [mark, 0],
            [mark, 1],
          ] as const;
          const place = which % (keys.length + blocks.length);
          const key = keys[place];
          if (key !== undefined) disk.records.set(key, flip(disk.records.get(key)!));
          else {
            const [blocksOf, block] = blocks[place - keys.length]!;
            blocksOf[block] = flip(blocksOf[block]!);
          }

          const after = disk.read();
          const isFound = after === null || after.type === "damaged";
          if (key !== undefined) expect(isFound).toBe(true);
          else if (!isFound) expect(JSON.stringify(after)).toBe(before);
        },
      ),
      { numRuns: 500 },
    );
  });

  it("one lost record is found, unless it is the last one and behind the mark", () => {
    fc.assert(
      fc.property(history, fc.nat(8), fc.nat(), (appends, synced, which) => {
        const disk = write(appends, synced);
        const intact = disk.read();
        if (intact?.type !== "intact") throw new Error("damaged before anything was lost");
        const entries = intact.loaded.entries;
        const lost = (which % entries.length) + 1;
        disk.records.delete(keyOf(lost));

        const after = disk.read();
        if (lost < entries.length) expect(after).toMatchObject({ type: "damaged" });
        else if (after?.type === "intact") {
          expect(after.loaded.entries).toEqual(entries.slice(0, -1));
          expect(lost).toBeGreaterThan(markOf(disk).index);
        } else expect(lost).toBeLessThanOrEqual(markOf(disk).index);
      }),
      { numRuns: 300 },
    );
  });
});
