import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { SWEEP_IDLE_MS, SWEEP_KEYS_MAX } from "../../src/limits.ts";
import type { PersistRequest } from "../../src/raft/types.ts";
import { openDirectory } from "../../src/storage/directory.ts";
import { writeSynced } from "../../src/storage/durable-file.ts";
import { entryKey } from "../../src/storage/layout.ts";
import { openStorage } from "../../src/storage/level-storage.ts";
import { CHUNK_KEYS, chunkKey, chunkRange } from "../../src/storage/snapshot-layout.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { Sweep } from "../../src/storage/sweep.ts";
import { VoteFile } from "../../src/storage/vote-file.ts";
import { FailingStore, OWN, openOn } from "./failing-store.ts";
import {
  entriesBetween,
  entry,
  hardState,
  openBorn,
  random,
  request,
  snapshotAt,
  stage,
  switchTo,
  temporaryDirectory,
} from "./fixture.ts";
import { HandTimers } from "./hand-timers.ts";

const ENTRIES = 1000;
const snapshot = snapshotAt(ENTRIES, 1, 1);

/** Ends with a cut, whose own batch takes the first slice with it. */
const cutRequests: readonly Partial<PersistRequest>[] = [
  { hardState: hardState(1), entries: entriesBetween(1, ENTRIES, 1) },
  { snapshot: stage(snapshot) },
  { snapshot: switchTo(snapshot) },
  { snapshot: { type: "cut", index: ENTRIES } },
];

async function carryOut(storage: Storage, requests: readonly Partial<PersistRequest>[]) {
  for (const [at, parts] of requests.entries()) await storage.persist(request(at + 1, parts));
}

async function cutStore() {
  const store = new FailingStore();
  const timers = new HandTimers();
  const failures: Error[] = [];
  const opened = await openOn(store, { timers, onFailure: (error) => failures.push(error) });
  await carryOut(opened.storage, cutRequests);
  const entries = (): number => [...store.records.keys()].filter((key) => /^65/.test(key)).length;
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return { ...opened, store, timers, failures, entries, turn };
}

function gate(): { readonly held: Promise<void>; readonly open: () => void } {
  let open = (): void => {};
  const held = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { held, open };
}

describe("what is left over", () => {
  it("goes in bounded slices, also when nobody writes", async () => {
    const { storage, timers, entries, turn, store } = await cutStore();
    const left: number[] = [entries()];
    while (timers.armed.some(({ delayMs }) => delayMs === SWEEP_IDLE_MS)) {
      timers.fireAll(SWEEP_IDLE_MS);
      await turn();
      left.push(entries());
    }
    const slices = [1, 2, 3].map((slice) => ENTRIES - slice * SWEEP_KEYS_MAX);
    expect(left).toEqual([...slices, 0]);
    expect(store.compacted).toEqual([{ from: Buffer.from("e"), to: entryKey(ENTRIES + 1) }]);
    await storage.close();
  });

  it("goes with what is written, and waits for its time again after it", async () => {
    const { storage, timers, entries, store } = await cutStore();
    const batches = store.batches;
    const armed = timers.armed.find(({ delayMs }) => delayMs === SWEEP_IDLE_MS);
    await storage.persist(request(9, { entries: [entry(ENTRIES + 1, 1)] }));
    expect(timers.armed).not.toContain(armed);
    expect(entries()).toBe(ENTRIES - 2 * SWEEP_KEYS_MAX + 1);
    expect(store.batches).toBe(batches + 1);
    expect(timers.armed.filter(({ delayMs }) => delayMs === SWEEP_IDLE_MS)).toHaveLength(1);
    await storage.close();
  });

  it("is never deleted while a persist is out, nor does a persist begin meanwhile", async () => {
    const { storage, timers, store, turn } = await cutStore();
    const batches = store.batches;
    const slice = gate();
    store.held = slice.held;
    timers.fireAll(SWEEP_IDLE_MS);
    await turn();
    expect(store.batches).toBe(batches + 1);
    const write = gate();
    const persist = storage.persist(request(9, { entries: [entry(ENTRIES + 1, 1)] }));
    await turn();
    expect(store.batches).toBe(batches + 1);

    store.held = write.held;
    slice.open();
    await turn();
    expect(store.batches).toBe(batches + 2);
    timers.fireAll(SWEEP_IDLE_MS);
    await turn();
    expect(store.batches).toBe(batches + 2);
    write.open();
    await persist;
    await storage.close();
  });

  it("ends the node when it cannot be deleted, and nothing is written after it", async () => {
    const { storage, timers, store, turn, failures, directory } = await cutStore();
    store.failure = new Error("IO error: fdatasync");
    const slice = gate();
    store.held = slice.held;
    timers.fireAll(SWEEP_IDLE_MS);
    await turn();
    const parts = { hardState: hardState(2, "b"), entries: [entry(ENTRIES + 1, 2)] };
    const waiting = storage.persist(request(9, parts));
    slice.open();
    await expect(waiting).rejects.toMatchObject({ code: "DISK" });
    expect(failures).toMatchObject([{ code: "DISK" }]);
    store.failure = null;
    const batches = store.batches;
    await expect(storage.persist(request(10, parts))).rejects.toMatchObject({ code: "DISK" });
    const votes = await VoteFile.open(directory, OWN, null);
    expect(votes.hardState).toEqual(hardState(1));
    await votes.close();
    timers.fireAll(SWEEP_IDLE_MS);
    await turn();
    expect(store.batches).toBe(batches);
    await storage.close();
  });

  it("is left to the next start by a close, which waits for the slice that is under way", async () => {
    const { storage, timers, store, turn, directory } = await cutStore();
    const slice = gate();
    store.held = slice.held;
    timers.fireAll(SWEEP_IDLE_MS);
    await turn();
    const order: string[] = [];
    store.close = async () => void order.push("closed");
    const close = storage.close();
    // Many times what a close that does not wait would write and sync.
    for (let sync = 0; sync < 20; sync += 1)
      await writeSynced(join(directory, "other"), Buffer.of(1));
    expect(order).toEqual([]);
    order.push("slice");
    slice.open();
    await close;
    expect(order).toEqual(["slice", "closed"]);
    expect(timers.armed).toEqual([]);

    const again = new HandTimers();
    const place = { directory, markPath: join(directory, "mark"), incarnation: OWN, store };
    const { loaded, storage: next } = await openStorage(place, { timers: again });
    expect(loaded.logStart.index).toBe(ENTRIES);
    expect(again.armed.map(({ delayMs }) => delayMs)).toContain(SWEEP_IDLE_MS);
    await next.close();
  });

  it("gives its room back, which a LevelDB does not do by itself", async () => {
    const path = await temporaryDirectory();
    const directory = await openBorn(path);
    const timers = new HandTimers();
    const { storage } = await directory.open({ timers });
    const noise = Uint8Array.from(random.bytes(128 * 1024));
    const taking = (nonce: number): Partial<PersistRequest>[] => {
      const id = { index: 9, nonce };
      const chunks = Array.from({ length: 100 }, () => noise);
      const bytes = noise.length * chunks.length;
      const taken = { ...snapshotAt(9, 1, nonce), chunks: chunks.length, bytes };
      const stage = { snapshot: { type: "stage", id, first: 0, chunks } } as const;
      const drop = { snapshot: { type: "drop", id: { index: 9, nonce: nonce - 1 } } } as const;
      return [stage, { snapshot: switchTo(taken) }, ...(nonce > 1 ? [drop] : [])];
    };
    const first = { hardState: hardState(1), entries: entriesBetween(1, 9, 1) };
    await carryOut(storage, [first, ...[1, 2, 3].flatMap(taking), { entries: [entry(10, 1)] }]);
    await directory.close();
    // Compactions that were still waiting at the close are made up for by the next one.
    const again = await openDirectory(path, "n1", random);
    const { storage: next } = await again.open({ timers });
    await carryOut(next, [...taking(4), { entries: [entry(11, 1)] }]);
    await again.close();
    // LevelDB removes the files that a compaction has replaced at its next start at the latest.
    await (await openDirectory(path, "n1", random)).close();
    const size = await sizeOf(join(path, "db"));
    expect(size).toBeGreaterThan(12e6);
    expect(size).toBeLessThan(30e6);
  }, 30_000);
});

describe("a chunk that is read", () => {
  it("is null when it was dropped meanwhile, and damaged when it is not there", async () => {
    const { storage, store } = await cutStore();
    const next = snapshotAt(ENTRIES, 1, 2);
    await storage.persist(request(9, { snapshot: stage(next) }));
    await storage.persist(request(10, { snapshot: switchTo(next) }));
    const get = store.get.bind(store);
    const id = { index: ENTRIES, nonce: 1 };
    store.get = async () => {
      await storage.persist(request(11, { snapshot: { type: "drop", id } }));
      return null;
    };
    expect(await storage.readChunk(id, 0)).toBeNull();
    store.get = get;
    store.records.delete(chunkKey(next, 3).toString("hex"));
    await expect(storage.readChunk(next, 3)).rejects.toMatchObject({
      code: "DAMAGED",
      message: expect.stringContaining(`chunk 3 of the snapshot at entry ${ENTRIES} is missing`),
    });
    await expect(async () => {
      for await (const _ of storage.chunks());
    }).rejects.toMatchObject({ code: "DAMAGED" });
    store.get = async () => {
      throw new Error("IO error: Input/output error");
    };
    await expect(storage.readChunk(next, 0)).rejects.toMatchObject({ code: "DISK" });
    await storage.close();
  });
});

describe("an entry whose position a cut asks for", () => {
  it("refuses the cut when it is not as it was written", async () => {
    const store = new FailingStore();
    const { storage } = await openOn(store);
    await carryOut(storage, cutRequests.slice(0, -1));
    store.records.get(entryKey(500).toString("hex"))![60]! ^= 1;
    const cut = request(9, { snapshot: { type: "cut", index: 500 } });
    await expect(storage.persist(cut)).rejects.toMatchObject({
      code: "DAMAGED",
      message: expect.stringContaining("entry 500 is not as it was written"),
    });
    await storage.close();
  });
});

describe("a sweep", () => {
  const id = { index: 7, nonce: 1 };

  it("takes no more than it is asked for, over all that is left, in order", () => {
    const sweep = new Sweep([
      { type: "entries", first: 1, last: 3 },
      { type: "chunks", id, first: 2, last: 3 },
    ]);
    sweep.add({ type: "entries", first: 5, last: 4 });
    sweep.add({ type: "entries", first: 9, last: 9 });
    const keys = [
      entryKey(1),
      entryKey(2),
      entryKey(3),
      chunkKey(id, 2),
      chunkKey(id, 3),
      entryKey(9),
    ];
    const taken = [2, 3, 5].map((count) => sweep.take(count).map(({ key }) => key));
    expect(taken).toEqual([keys.slice(0, 2), keys.slice(2, 5), keys.slice(5)]);
    expect(sweep.isEmpty).toBe(true);
    expect(sweep.takeSwept()).toEqual([
      { from: Buffer.from("e"), to: entryKey(4) },
      { from: CHUNK_KEYS.from, to: chunkRange(id).to },
      { from: Buffer.from("e"), to: entryKey(10) },
    ]);
    expect(sweep.takeSwept()).toEqual([]);
  });

  it("spares the chunks of a snapshot, and those of no other", () => {
    const other = { index: 7, nonce: 2 };
    const sweep = new Sweep([
      { type: "chunks", id, first: 2, last: 3 },
      { type: "chunks", id: other, first: 0, last: 0 },
    ]);
    expect(sweep.spare(id)).toBe(4);
    expect(sweep.spare(id)).toBe(0);
    expect(sweep.take(9).map(({ key }) => key)).toEqual([chunkKey(other, 0)]);
  });
});

async function sizeOf(path: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(path)) bytes += (await stat(join(path, name))).size;
  return bytes;
}
