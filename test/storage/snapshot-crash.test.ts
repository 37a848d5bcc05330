import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PersistRequest } from "../../src/raft/types.ts";
import { entryKey, LOG_START } from "../../src/storage/layout.ts";
import { MemoryDisk, type MemoryLog } from "../../src/storage/memory-storage.ts";
import { chunkKey, POINTER_KEY } from "../../src/storage/snapshot-layout.ts";
import {
  chunkOf,
  chunksOf,
  entriesBetween,
  entry,
  hardState,
  markOf,
  request,
  STEPS_MAX,
  setMark,
  snapshotAt,
  stage,
  switchTo,
} from "./fixture.ts";
import { type Action, action, SnapshotModel } from "./snapshot-model.ts";

const TAKEN = snapshotAt(6, 1, 1);
const INSTALLED = snapshotAt(9, 2, 2);
const CHAIN = "00112233445566ff";

function hex(key: Uint8Array): string {
  return Buffer.from(key).toString("hex");
}

class Node {
  readonly disk = new MemoryDisk("0123456789abcdef");
  log: MemoryLog = this.disk.open().log;
  #write = 0;

  /** Returns whether the batch was written. */
  persist(parts: Partial<PersistRequest>, stepsMax?: number): boolean {
    this.#write += 1;
    const done = this.log.persist(request(this.#write, parts), stepsMax);
    return done.some(({ type }) => type === "batch");
  }

  restart(): ReturnType<MemoryDisk["open"]>["loaded"] {
    const { loaded, log } = this.disk.open();
    this.log = log;
    this.#write = 0;
    return loaded;
  }

  sweepAll(): void {
    for (let slice = 0; this.log.hasLeftovers; slice += 1) {
      if (slice > 1000) throw new Error("the leftovers never end");
      this.log.sweep();
    }
  }

  entryKeys(): number[] {
    const keys = [...this.disk.records.keys()].filter((key) => key.startsWith("65"));
    return keys.map((key) => Number.parseInt(key.slice(2), 16)).sort((a, b) => a - b);
  }

  /** Index and nonce of each snapshot of which there are chunks. */
  snapshotsOnDisk(): string[] {
    const keys = [...this.disk.records.keys()].filter((key) => key.startsWith("73"));
    const ids = keys.map((key) => {
      return [key.slice(2, 18), key.slice(18, 34)]
        .map((part) => Number.parseInt(part, 16))
        .join("/");
    });
    return [...new Set(ids)].sort();
  }
}

/** Entries 1 to 8 of term 1, six of them committed, and a mark at the end that is synced. */
function nodeWithLog(): Node {
  const node = new Node();
  node.persist({ hardState: hardState(1), entries: entriesBetween(1, 7, 1) });
  node.persist({ entries: [entry(8, 1)], commitIndex: 6 });
  node.log.syncMark();
  return node;
}

function nodeWithSnapshot(): Node {
  const node = nodeWithLog();
  node.persist({ snapshot: stage(TAKEN, 0, 2) });
  node.persist({ snapshot: stage(TAKEN, 2) });
  node.persist({ snapshot: switchTo(TAKEN) });
  return node;
}

function damageOf(disk: MemoryDisk): unknown {
  const verdict = disk.read();
  return verdict?.type === "damaged" ? verdict.damage : "none";
}

describe("a crash after so many steps", () => {
  const each = Array.from({ length: STEPS_MAX + 1 }, (_, steps) => steps);

  it.each(each)(
    "of the switch to a snapshot that was taken leaves the one or none: %i",
    (steps) => {
      const node = nodeWithLog();
      node.persist({ snapshot: stage(TAKEN) });
      const isSwitched = node.persist({ snapshot: switchTo(TAKEN) }, steps);
      const loaded = node.restart();
      expect(loaded.snapshot).toEqual(isSwitched ? TAKEN : null);
      expect(loaded.entries).toEqual(entriesBetween(1, 8, 1));
      expect([...node.log.chunks()]).toEqual(isSwitched ? chunksOf(TAKEN, 0, 5) : []);
      node.sweepAll();
      expect(node.snapshotsOnDisk()).toEqual(isSwitched ? ["6/1"] : []);
    },
  );

  it.each(each)(
    "of an install leaves the old log or the snapshot, over a shorter log: %i",
    (steps) => {
      const node = nodeWithSnapshot();
      node.persist({ hardState: hardState(2), snapshot: stage(INSTALLED) });
      const isInstalled = node.persist({ snapshot: switchTo(INSTALLED, CHAIN) }, steps);
      const loaded = node.restart();
      expect(loaded.snapshot).toEqual(isInstalled ? INSTALLED : TAKEN);
      expect(loaded.entries).toEqual(isInstalled ? [] : entriesBetween(1, 8, 1));
      expect(loaded.logStart).toEqual(isInstalled ? { index: 9, term: 2 } : { index: 0, term: 0 });
      node.sweepAll();
      expect(node.entryKeys()).toEqual(isInstalled ? [] : [1, 2, 3, 4, 5, 6, 7, 8]);
      expect(node.snapshotsOnDisk()).toEqual(isInstalled ? ["9/2"] : ["6/1"]);
    },
  );

  it.each(each)(
    "of an install over a log that is as long or longer, as the mark claims: %i",
    (steps) => {
      for (const last of [INSTALLED.index, INSTALLED.index + 3]) {
        const node = nodeWithSnapshot();
        node.persist({ hardState: hardState(2), entries: entriesBetween(8, last, 2) });
        node.log.syncMark();
        node.persist({ hardState: hardState(3), snapshot: stage(INSTALLED) });
        const isInstalled = node.persist({ snapshot: switchTo(INSTALLED, CHAIN) }, steps);
        const { entries } = node.restart();
        const old = [...entriesBetween(1, 7, 1), ...entriesBetween(8, last, 2)];
        expect(entries).toEqual(isInstalled ? [] : old);
        const next = entry(isInstalled ? 10 : last + 1, 3);
        node.persist({ entries: [next] });
        expect(node.restart().entries.at(-1)).toEqual(next);
      }
    },
  );

  it.each(each)("of a cut leaves the start of the log where it was, or moves it: %i", (steps) => {
    const node = nodeWithSnapshot();
    const isCut = node.persist({ snapshot: { type: "cut", index: 4 } }, steps);
    const loaded = node.restart();
    const first = isCut ? 5 : 1;
    expect(loaded.logStart).toEqual({ index: first - 1, term: first === 1 ? 0 : 1 });
    expect(loaded.entries).toEqual(entriesBetween(first, 8, 1));
    expect(loaded.snapshot).toEqual(TAKEN);
    node.sweepAll();
    expect(node.entryKeys()[0]).toBe(first);
  });

  it("of staging leaves chunks that a start ignores, also for the same snapshot once more", () => {
    const node = nodeWithLog();
    node.persist({ snapshot: stage(TAKEN, 0, 4) });
    expect(node.restart().snapshot).toBeNull();
    node.persist({ snapshot: stage(TAKEN, 0, 2) });
    node.sweepAll();
    node.persist({ snapshot: stage(TAKEN, 2) });
    node.persist({ snapshot: switchTo(TAKEN) });
    expect(node.restart().snapshot).toEqual(TAKEN);
    node.sweepAll();
    expect([...node.log.chunks()]).toEqual(chunksOf(TAKEN, 0, 5));
  });

  it("of the deletion in slices leaves the rest to the next start", () => {
    const node = new Node();
    node.persist({ hardState: hardState(1), entries: entriesBetween(1, 1000, 1) });
    node.persist({ entries: [entry(1001, 1)], commitIndex: 1000 });
    const snapshot = snapshotAt(1000, 1, 1);
    node.persist({ snapshot: stage(snapshot) });
    node.persist({ snapshot: switchTo(snapshot) });
    node.persist({ snapshot: { type: "cut", index: 990 } });
    for (let left = node.entryKeys().length; left > 11; left = node.entryKeys().length) {
      expect(node.restart().entries).toEqual(entriesBetween(991, 1001, 1));
      expect(node.log.hasLeftovers).toBe(true);
      node.log.sweep();
      expect(left - node.entryKeys().length).toBeLessThanOrEqual(256);
    }
    expect(node.restart().entries).toEqual(entriesBetween(991, 1001, 1));
    expect(node.log.hasLeftovers).toBe(false);
    node.sweepAll();
    expect(node.entryKeys()[0]).toBe(991);
  });
});

describe("the mark", () => {
  it("never claims what an install takes away: it is lowered before, and is at its end after", () => {
    const node = nodeWithSnapshot();
    node.persist({ hardState: hardState(2), entries: entriesBetween(8, 12, 2) });
    node.log.syncMark();
    node.persist({ hardState: hardState(3), snapshot: stage(INSTALLED) });
    node.persist({ snapshot: switchTo(INSTALLED, CHAIN) }, 2);
    expect(markOf(node.disk)).toMatchObject({ index: 6, term: 1 });
    node.restart();
    node.persist({ snapshot: stage(INSTALLED) });
    node.persist({ snapshot: switchTo(INSTALLED, CHAIN) });
    expect(markOf(node.disk)).toMatchObject({ index: 9, term: 2, chain: CHAIN });
  });

  it("tells of an installed snapshot that was lost, and of one that fell back to its former", () => {
    const node = nodeWithSnapshot();
    const before = new Map(node.disk.records);
    node.persist({ hardState: hardState(2), snapshot: stage(INSTALLED) });
    node.persist({ snapshot: switchTo(INSTALLED, CHAIN) });
    node.disk.records.delete(hex(POINTER_KEY));
    expect(damageOf(node.disk)).toMatchObject({ what: "endsBeforeMark", lastIndex: 0 });
    node.disk.records.clear();
    for (const [key, value] of before) node.disk.records.set(key, value);
    expect(damageOf(node.disk)).toMatchObject({ what: "endsBeforeMark", lastIndex: 8 });
  });
});

describe("damage is told, and refuses the start:", () => {
  function cutNode(): Node {
    const node = nodeWithSnapshot();
    node.persist({ snapshot: { type: "cut", index: 4 } });
    node.sweepAll();
    node.restart();
    return node;
  }

  it("every bit of the pointer flipped, and every chunk's", () => {
    const { disk } = cutNode();
    const keys = [POINTER_KEY, ...[0, 1, 2, 3, 4].map((chunk) => chunkKey(TAKEN, chunk))].map(hex);
    for (const key of keys) {
      const original = disk.records.get(key)!;
      for (let bit = 0; bit < original.length * 8; bit += 1) {
        const flipped = Uint8Array.from(original);
        flipped[bit >> 3]! ^= 1 << (bit & 7);
        disk.records.set(key, flipped);
        expect(damageOf(disk)).toMatchObject(
          key === hex(POINTER_KEY) ? { what: "pointerUnreadable" } : { what: "chunkChecksum" },
        );
      }
      disk.records.set(key, original);
    }
    expect(damageOf(disk)).toBe("none");
  });

  it("each chunk missing", () => {
    for (let chunk = 0; chunk < 5; chunk += 1) {
      const node = cutNode();
      node.disk.records.delete(hex(chunkKey(TAKEN, chunk)));
      const id = { index: 6, nonce: 1 };
      expect(damageOf(node.disk)).toEqual({ what: "chunkMissing", id, chunk });
      expect(() => node.log.readChunk(TAKEN, chunk)).toThrow(`chunk ${chunk} of the snapshot at`);
      expect(() => [...node.log.chunks()]).toThrow("is missing");
      expect(() => node.restart()).toThrow(`chunk ${chunk} of the snapshot at entry 6 is missing`);
    }
  });

  it("a chunk that is whole but of another content than the snapshot has bytes for", () => {
    const node = cutNode();
    const longer = new Node();
    longer.persist({
      hardState: hardState(1),
      entries: entriesBetween(1, 6, 1),
      snapshot: {
        type: "stage",
        id: { index: 6, nonce: 1 },
        first: 0,
        chunks: [new Uint8Array(9)],
      },
    });
    const key = hex(chunkKey(TAKEN, 0));
    node.disk.records.set(key, longer.disk.records.get(key)!);
    expect(damageOf(node.disk)).toMatchObject({ what: "snapshotBytes", expected: TAKEN.bytes });
    expect(() => [...node.log.chunks()]).toThrow("bytes but was written with");
  });

  it("the pointer missing where the log does not start at its first entry", () => {
    const node = cutNode();
    node.disk.records.delete(hex(POINTER_KEY));
    expect(damageOf(node.disk)).toEqual({ what: "pointerMissing", first: 5 });
    expect(() => node.restart()).toThrow("the pointer to the snapshot before it is missing");
  });

  it("the pointer fell back to one from before a cut whose entries are gone", () => {
    const node = nodeWithSnapshot();
    const older = node.disk.records.get(hex(POINTER_KEY))!;
    node.persist({ snapshot: { type: "cut", index: 4 } });
    node.sweepAll();
    node.disk.records.set(hex(POINTER_KEY), older);
    expect(damageOf(node.disk)).toMatchObject({ what: "hole", index: 1, next: 5 });
  });

  it("the pointer fell back to a snapshot that was dropped", () => {
    const node = nodeWithSnapshot();
    const older = node.disk.records.get(hex(POINTER_KEY))!;
    const next = snapshotAt(6, 1, 2);
    node.persist({ snapshot: stage(next) });
    node.persist({ snapshot: switchTo(next) });
    node.persist({ snapshot: { type: "drop", id: { index: 6, nonce: 1 } } });
    node.sweepAll();
    node.disk.records.set(hex(POINTER_KEY), older);
    expect(damageOf(node.disk)).toMatchObject({ what: "chunkMissing", chunk: 0 });
  });

  it("the log ends before its snapshot", () => {
    const node = cutNode();
    for (const index of [6, 7, 8]) node.disk.records.delete(hex(entryKey(index)));
    setMark(node.disk, LOG_START);
    expect(damageOf(node.disk)).toMatchObject({ what: "endsBeforeSnapshot", snapshotIndex: 6 });
  });

  it("the log is another one than its snapshot's", () => {
    const node = cutNode();
    const other = new Node();
    other.persist({ hardState: hardState(1), entries: entriesBetween(1, 5, 1) });
    other.persist({ entries: [entry(6, 1, "other"), entry(7, 1), entry(8, 1)] });
    for (const index of [6, 7, 8]) {
      const key = hex(entryKey(index));
      node.disk.records.set(key, other.disk.records.get(key)!);
    }
    expect(damageOf(node.disk)).toEqual({ what: "notSnapshotted", index: 6 });
  });

  it("a key among the chunks, or among the entries that are left over, is none", () => {
    for (const key of ["7300", "65", hex(chunkKey({ index: 1, nonce: 1 }, 2 ** 32 - 1))]) {
      const node = cutNode();
      node.disk.records.set(key, new Uint8Array());
      expect(damageOf(node.disk)).toEqual({ what: "strangeKey", key });
    }
  });
});

describe("what is dropped", () => {
  it("is read until then, and not after", () => {
    const node = nodeWithSnapshot();
    const next = snapshotAt(6, 1, 2);
    node.persist({ snapshot: stage(next, 0, 3) });
    expect(node.log.readChunk(next, 0)).toBeNull();
    node.persist({ snapshot: stage(next, 3) });
    node.persist({ snapshot: switchTo(next) });
    for (const id of [TAKEN, next]) expect(node.log.readChunk(id, 4)?.data).toEqual(chunkOf(id, 4));
    node.persist({ snapshot: { type: "drop", id: { index: 6, nonce: 1 } } });
    expect(node.log.readChunk(TAKEN, 4)).toBeNull();
    node.sweepAll();
    expect(node.snapshotsOnDisk()).toEqual(["6/2"]);
  });

  it("may be an unfinished snapshot, and chunk 0 of another one lets go of it as well", () => {
    for (const letGo of ["drop", "stage"] as const) {
      const node = nodeWithLog();
      node.persist({ snapshot: stage(TAKEN, 0, 3) });
      const other = snapshotAt(6, 1, 7);
      const id = { index: 6, nonce: 1 };
      node.persist({ snapshot: letGo === "drop" ? { type: "drop", id } : stage(other, 0, 1) });
      node.sweepAll();
      expect(node.snapshotsOnDisk()).toEqual(letGo === "drop" ? [] : ["6/7"]);
    }
  });
});

describe("over random histories", () => {
  interface Step {
    readonly next: Action | "restart" | "sweep" | "syncMark";
    /** A crash after so many steps of the first or a later request of the action. */
    readonly crash: { readonly at: number; readonly steps: number } | null;
  }
  const step: fc.Arbitrary<Step> = fc.record({
    next: fc.oneof(
      { weight: 8, arbitrary: action },
      { weight: 1, arbitrary: fc.constantFrom("restart" as const, "sweep", "syncMark") },
    ),
    crash: fc.option(fc.record({ at: fc.nat(2), steps: fc.nat(STEPS_MAX) }), { freq: 4 }),
  });

  function check(node: Node, model: SnapshotModel): void {
    const { hardState: _, commitIndex, ...loaded } = node.restart();
    expect(loaded).toEqual(model.expected());
    expect(model.isCommitIndexRight(commitIndex)).toBe(true);
    expect([...node.log.chunks()]).toEqual(model.chunks());
  }

  function checkKeys(node: Node, model: SnapshotModel): void {
    node.sweepAll();
    expect(node.entryKeys()).toEqual(model.entries.map(({ index }) => index));
    const staged = model.staged === null ? [] : [model.staged.id];
    const ids = [...model.complete, ...staged].map(({ index, nonce }) => `${index}/${nonce}`);
    expect(node.snapshotsOnDisk()).toEqual([...ids].sort());
  }

  it("a crash behind any step of any write leaves exactly what was there before or after it", () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 30 }), (steps) => {
        const node = new Node();
        let model = new SnapshotModel();
        for (const { next, crash } of steps) {
          if (next === "restart") {
            check(node, model);
            model.restart(node.disk.open().loaded);
            node.restart();
          } else if (next === "sweep") node.log.sweep();
          else if (next === "syncMark") node.log.syncMark();
          else {
            let before = model.copy();
            let at = 0;
            for (const parts of model.requests(next)) {
              if (crash?.at === at) {
                if (!node.persist(parts, crash.steps)) model = before;
                check(node, model);
                model.restart(node.disk.open().loaded);
                node.restart();
                break;
              }
              node.persist(parts);
              before = model.copy();
              at += 1;
            }
          }
        }
        checkKeys(node, model);
        check(node, model);
        model.restart(node.disk.open().loaded);
        node.restart();
        checkKeys(node, model);
      }),
      { numRuns: 600 },
    );
  }, 30_000);
});
