import { mkdir, readdir, rename, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openDirectory } from "../../src/storage/directory.ts";
import { openStorage } from "../../src/storage/level-storage.ts";
import { MarkFile } from "../../src/storage/mark-file.ts";
import { VoteFile } from "../../src/storage/vote-file.ts";
import { AssertionError } from "../../src/util/assert.ts";
import { FailingStore, OWN, openOn } from "./failing-store.ts";
import {
  entriesBetween,
  entry,
  hardState,
  random,
  request,
  snapshotAt,
  stage,
  switchTo,
  temporaryDirectory,
  usedDirectory,
} from "./fixture.ts";
import { HandTimers } from "./hand-timers.ts";

describe("the first failed write", () => {
  it("is final: the node hears of it once, and nothing is written after it", async () => {
    const store = new FailingStore();
    const failures: Error[] = [];
    const { storage } = await openOn(store, { onFailure: (error) => failures.push(error) });
    await storage.persist(request(1, { hardState: hardState(1), entries: [entry(1, 1)] }));
    store.failure = new Error("IO error: fdatasync: Input/output error");
    await expect(storage.persist(request(2, { entries: [entry(2, 1)] }))).rejects.toMatchObject({
      code: "DISK",
      message: expect.stringContaining("fdatasync"),
      cause: store.failure,
    });

    store.failure = null;
    const written = store.batches;
    for (const write of [3, 4]) {
      const again = storage.persist(request(write, { entries: [entry(2, 1)] }));
      await expect(again).rejects.toMatchObject({ code: "DISK" });
    }
    expect(store.batches).toBe(written);
    expect(failures).toHaveLength(1);
    await storage.close();
  });

  it("is not followed by a raised mark", async () => {
    const store = new FailingStore();
    const { storage, directory } = await openOn(store);
    await storage.persist(request(1, { hardState: hardState(1), entries: [entry(1, 1)] }));
    store.failure = new Error("gone");
    await expect(storage.persist(request(2, { entries: [entry(2, 1)] }))).rejects.toThrow("gone");
    await storage.close();
    const mark = await MarkFile.read(join(directory, "mark"), OWN);
    expect(mark?.position.index).toBe(1);
  });

  it("may be a bug: then it stays one, and is final too", async () => {
    const { storage } = await openOn(new FailingStore());
    const bug = request(1, { entries: [entry(5, 1)] });
    await expect(storage.persist(bug)).rejects.toThrow(AssertionError);
    const good = request(2, { hardState: hardState(1), entries: [entry(1, 1)] });
    await expect(storage.persist(good)).rejects.toThrow(AssertionError);
    await storage.close();
  });
});

describe("a chunk of a snapshot that is to be sent", () => {
  it("is not made up where it cannot be read: what failed is told", async () => {
    const store = new FailingStore();
    const { storage } = await openOn(store);
    const snapshot = snapshotAt(5, 1, 1);
    const log = { hardState: hardState(1), entries: entriesBetween(1, 5, 1), commitIndex: 5 };
    const steps = [log, { snapshot: stage(snapshot) }, { snapshot: switchTo(snapshot) }];
    for (const [at, parts] of steps.entries()) await storage.persist(request(at + 1, parts));
    expect(await storage.readChunk(snapshot, 0)).not.toBeNull();
    store.failure = new Error("IO error: db/000012.ldb: Input/output error");
    await expect(storage.readChunk(snapshot, 0)).rejects.toMatchObject({
      code: "DISK",
      message: expect.stringContaining("db/000012.ldb"),
    });
    store.failure = null;
    await storage.close();
  });
});

describe("a start", () => {
  it("is refused when the disk cannot be read, or not be written", async () => {
    const store = new FailingStore();
    store.failure = new Error("IO error: Input/output error");
    await expect(openOn(store)).rejects.toMatchObject({ code: "DISK" });
  });

  it("is refused when the mark has gone", async () => {
    const directory = await temporaryDirectory();
    await VoteFile.create(directory, OWN);
    const markPath = join(directory, "mark");
    await MarkFile.create(markPath, OWN);
    await rm(markPath);
    const place = { directory, markPath, incarnation: OWN, store: new FailingStore() };
    await expect(openStorage(place)).rejects.toMatchObject({ code: "DAMAGED" });
  });

  it("is refused when a log of LevelDB cannot be read, and the next one finds all of it", async () => {
    const path = await usedDirectory({ hardState: hardState(1), entries: entriesBetween(1, 9, 1) });
    const name = (await readdir(join(path, "db"))).find((file) => file.endsWith(".log")) ?? "";
    const [log, aside] = [join(path, "db", name), join(path, "aside")];
    await rename(log, aside);
    // Opened like a file, and then not read: for LevelDB the end of the log.
    await mkdir(log);
    await expect(openDirectory(path, "n1", random)).rejects.toMatchObject({
      code: "DISK",
      message: expect.stringContaining(log),
    });

    await rmdir(log);
    await rename(aside, log);
    const directory = await openDirectory(path, "n1", random);
    expect((await directory.open()).loaded.entries).toHaveLength(9);
    await directory.close();
  });

  it("makes durable what it read, before a node can vouch for it", async () => {
    const store = new FailingStore();
    const { storage } = await openOn(store);
    expect(store.batches).toBe(1);
    await storage.close();
  });
});

describe("the order of a start", () => {
  it("is batch, mark: no mark over what only the page cache may hold", async () => {
    const store = new FailingStore();
    const timers = new HandTimers();
    const { storage, directory } = await openOn(store, { timers });
    await storage.persist(request(1, { hardState: hardState(1), entries: [entry(1, 1)] }));
    const marked = async (): Promise<unknown> =>
      (await MarkFile.read(join(directory, "mark"), OWN))?.position.index;
    const seen: unknown[] = [];
    const write = store.batch.bind(store);
    store.batch = async (operations) => {
      seen.push(await marked());
      await write(operations);
    };
    const next = await openStorage(
      { directory, markPath: join(directory, "mark"), incarnation: OWN, store },
      { timers },
    );
    expect([...seen, await marked()]).toEqual([0, 1]);
    await next.storage.close();
    await storage.close();
  });
});

describe("the order of a persist", () => {
  it("is vote, lowered mark, batch: a batch finds both on disk before it", async () => {
    const seen: unknown[] = [];
    const store = new FailingStore();
    const { storage, directory } = await openOn(store);
    await storage.persist(
      request(1, { hardState: hardState(1), entries: [entry(1, 1), entry(2, 1), entry(3, 1)] }),
    );
    const write = store.batch.bind(store);
    store.batch = async (operations) => {
      const votes = await VoteFile.open(directory, OWN, null);
      await votes.close();
      const mark = await MarkFile.read(join(directory, "mark"), OWN);
      seen.push(
        votes.hardState,
        mark?.position.index,
        operations.map(({ type }) => type),
      );
      await write(operations);
    };
    await storage.persist(request(2, { hardState: hardState(2, "a"), entries: [entry(2, 2)] }));
    expect(seen).toEqual([hardState(2, "a"), 1, ["put", "del"]]);
    await storage.close();
  });

  it("is measured", async () => {
    const measured: number[] = [];
    const { storage } = await openOn(new FailingStore(), {
      onPersist: (durationMs, bytes) => measured.push(durationMs, bytes),
    });
    await storage.persist(request(1, { hardState: hardState(1), entries: [entry(1, 1, "data")] }));
    expect(measured).toEqual([expect.any(Number), 52 + 4]);
    await storage.close();
  });
});
