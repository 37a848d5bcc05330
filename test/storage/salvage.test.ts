import { spawnSync } from "node:child_process";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { openDirectory } from "../../src/storage/directory.ts";
import { decodeStored, entryKey, LOG_START } from "../../src/storage/layout.ts";
import { salvageLevel } from "../../src/storage/level-salvage.ts";
import { openLevelStore } from "../../src/storage/level-store.ts";
import { Highest, withinBytes } from "../../src/storage/log-source.ts";
import { encodeMark } from "../../src/storage/mark-record.ts";
import type { LoadedLog } from "../../src/storage/storage.ts";
import { must } from "../../src/util/assert.ts";
import {
  chunksOf,
  entriesBetween,
  hardState,
  openBorn,
  random,
  request,
  snapshotAt,
  stage,
  switchTo,
  temporaryDirectory,
  usedDirectory,
} from "./fixture.ts";

function key(number: number): Buffer {
  return Buffer.from(`k${String(number).padStart(5, "0")}`);
}

/** In its table: compressed, of many blocks, with a key written twice and one deleted. */
async function levelOf(count: number): Promise<string> {
  const path = join(await temporaryDirectory(), "db");
  const store = await openLevelStore(path, { create: true });
  const operations = Array.from({ length: count }, (_, number) => ({
    type: "put" as const,
    key: key(number),
    value: Buffer.from(`value ${number} ${"x".repeat(number % 700)}`),
  }));
  await store.batch(operations);
  await store.batch([{ type: "put", key: key(7), value: Buffer.from("later") }]);
  await store.batch([{ type: "del", key: key(8) }]);
  await store.close();
  return path;
}

/** LevelDB moves what is in its log into a table when it is opened. */
async function inTables(path: string): Promise<void> {
  await (await openLevelStore(path, { create: false })).close();
  expect((await readdir(path)).some((file) => file.endsWith(".ldb"))).toBe(true);
}

/** The last write of each key. */
async function lastOf(path: string): Promise<Map<string, string | null>> {
  const last = new Map<string, { value: string | null; sequence: bigint }>();
  for await (const { key: bytes, value, sequence } of salvageLevel(path)) {
    const name = bytes.toString();
    if ((last.get(name)?.sequence ?? -1n) < sequence) {
      last.set(name, { value: value?.toString() ?? null, sequence });
    }
  }
  return new Map([...last].map(([name, { value }]) => [name, value]));
}

async function flip(path: string, at: (length: number) => number): Promise<void> {
  const content = await readFile(path);
  const place = at(content.length);
  content[place] = (content[place] ?? 0) ^ 16;
  await writeFile(path, content);
}

async function fileOf(path: string, ending: RegExp): Promise<string> {
  const file = (await readdir(path)).find((name) => ending.test(name));
  if (file === undefined) throw new Error(`${path} has no ${ending}`);
  return join(path, file);
}

describe("the files of a LevelDB, read without it", () => {
  it.each(["log", "table"])(
    "tell every write that is in a %s, and which was the last",
    async (where) => {
      const path = await levelOf(2_000);
      if (where === "table") await inTables(path);
      await rm(join(path, "CURRENT"));
      const last = await lastOf(path);
      expect(last.size).toBe(2_000);
      expect(last.get("k00007")).toBe("later");
      expect(last.get("k00008") ?? null).toBeNull();
      expect(last.get("k01999")).toBe(`value 1999 ${"x".repeat(1999 % 700)}`);
    },
  );

  it("lose no more than the block that is damaged", async () => {
    const path = await levelOf(2_000);
    await inTables(path);
    await flip(await fileOf(path, /\.ldb$/), (length) => length >> 1);
    const last = await lastOf(path);
    expect(last.size).toBeLessThan(2_000);
    expect(last.size).toBeGreaterThan(1_700);
    expect(last.has("k00000") && last.has("k01999")).toBe(true);
  });

  it("tell what is in front of the damage where the index of a table is lost", async () => {
    const path = await levelOf(2_000);
    await inTables(path);
    await flip(await fileOf(path, /\.ldb$/), (length) => length - 60);
    expect((await lastOf(path)).size).toBeGreaterThan(1_700);
    await flip(await fileOf(path, /\.ldb$/), (length) => length - 1);
    expect((await lastOf(path)).size).toBeGreaterThan(1_700);
  });

  it("tell nothing of what is no LevelDB file, and fail over none", async () => {
    const path = await temporaryDirectory();
    await writeFile(join(path, "000001.ldb"), "short");
    await writeFile(join(path, "000002.ldb"), Buffer.alloc(5_000, 0xff));
    await writeFile(join(path, "000003.log"), Buffer.alloc(5_000, 0xff));
    await writeFile(join(path, "notes.txt"), "x");
    expect((await lastOf(path)).size).toBe(0);
  });
});

const SNAPSHOT = snapshotAt(4, 1, 77);

/** A snapshot at 4, and entries up to 9; those before it are cut unless said otherwise. */
async function withSnapshot(isCut = true): Promise<string> {
  const path = await usedDirectory({
    hardState: hardState(1, "b"),
    entries: entriesBetween(1, 9, 1),
  });
  const directory = await openBorn(path);
  const { storage } = await directory.open();
  await storage.persist(request(1, { snapshot: stage(SNAPSHOT) }));
  await storage.persist(request(2, { snapshot: switchTo(SNAPSHOT) }));
  if (isCut) await storage.persist(request(3, { snapshot: { type: "cut", index: 4 } }));
  await directory.close();
  return path;
}

async function loadedFrom(path: string): Promise<LoadedLog> {
  const directory = await openDirectory(path, "n1", random);
  const { loaded, storage } = await directory.open();
  const chunks: Uint8Array[] = [];
  for await (const chunk of storage.chunks()) chunks.push(Uint8Array.from(chunk));
  await directory.close();
  if (loaded.snapshot !== null) {
    expect(chunks).toEqual(
      chunksOf(loaded.snapshot, 0, loaded.snapshot.chunks).map((chunk) => Uint8Array.from(chunk)),
    );
  }
  return loaded;
}

describe("what is left of a damaged log", () => {
  it("is all of it where only LevelDB's own files are lost, and the log is as it was", async () => {
    const path = await withSnapshot();
    const before = await loadedFrom(path);
    for (const lost of [/^CURRENT$/, /^MANIFEST/]) {
      const databases = (await readdir(path)).filter((file) => file.startsWith("db")).sort();
      await rm(await fileOf(join(path, databases.at(-1) ?? ""), lost));
      const directory = await openDirectory(path, "n1", random);
      await expect(directory.open()).rejects.toMatchObject({ code: "DAMAGED" });
      const salvage = await directory.salvage();
      expect(salvage.repair.state).toEqual({ type: "whole" });
      await salvage.rebuild();
      await directory.close();
      const after = await loadedFrom(path);
      expect({ ...after, commitIndex: 0 }).toEqual({ ...before, commitIndex: 0 });
      expect(after.commitIndex).toBeGreaterThanOrEqual(SNAPSHOT.index);
    }
    expect((await readdir(path)).filter((file) => /^(db|mark)/.test(file)).sort()).toEqual([
      ...["db.1", "db.2", "mark.1", "mark.2"],
    ]);
  });

  it("has no snapshot without each of its chunks, and then wants the log from its start", async () => {
    const path = await withSnapshot();
    const database = join(path, "db");
    await inTables(database);
    const table = await fileOf(database, /\.ldb$/);
    // The chunks are not compressed away: their text is found where it stands.
    const content = await readFile(table);
    const at = content.indexOf("4/77");
    expect(at).toBeGreaterThan(0);
    await flip(table, () => at);
    const directory = await openDirectory(path, "n1", random);
    await expect(directory.open()).rejects.toMatchObject({ code: "DAMAGED" });
    const salvage = await directory.salvage();
    expect(salvage.repair.state).toMatchObject({ type: "wants" });
    expect(salvage.repair.progress.all).toBe(9);
    await salvage.setAside();
    await directory.close();
    const again = await openDirectory(path, "n1", random);
    expect(again.returning).toMatchObject({ lostEnd: { index: 9, term: 1 } });
    expect((await again.open()).loaded).toMatchObject({
      hardState: hardState(1, "b"),
      entries: [],
    });
    await again.close();
  });

  it("is whole without an entry from before a snapshot", async () => {
    const path = await withSnapshot(false);
    await lose(join(path, "db"), 2);
    const directory = await openDirectory(path, "n1", random);
    await expect(directory.open()).rejects.toMatchObject({ damage: { what: "hole", index: 2 } });
    const salvage = await directory.salvage();
    expect(salvage.repair.state).toEqual({ type: "whole" });
    await salvage.rebuild();
    await directory.close();
    // What is left of the entries before the gap may be what another member lacks.
    const again = await openDirectory(path, "n1", random);
    expect(await again.source.readDownFrom(3, 1_000)).toEqual([]);
    const former = await again.source.readFormerDownFrom(3, 1_000_000);
    expect(former.map((value) => decodeStored(value)?.entry.index)).toEqual([3, 1]);
    expect(await again.source.readFormerDownFrom(1, 1_000_000)).toHaveLength(1);
    await again.close();
    const { logStart, entries, snapshot } = await loadedFrom(path);
    expect(logStart).toEqual({ index: 3, term: 1 });
    expect(entries).toEqual(entriesBetween(4, 9, 1));
    expect(snapshot).toEqual(SNAPSHOT);
  });

  it("leaves what was in use before it where it is cut short, and takes its place when it is whole", async () => {
    const path = await withSnapshot(false);
    await lose(join(path, "db"), 2);
    const contents = async () =>
      (await readdir(path)).filter((file) => /^(db|mark)/.test(file)).sort();
    const salvaged = async (signal?: AbortSignal): Promise<boolean> => {
      const directory = await openDirectory(path, "n1", random);
      await expect(directory.open()).rejects.toMatchObject({ code: "DAMAGED" });
      const salvage = await directory.salvage();
      const isDone = await salvage.rebuild(signal);
      await directory.close();
      return isDone;
    };
    expect(await salvaged()).toBe(true);
    await rm(await fileOf(join(path, "db.1"), /^CURRENT$/));
    expect(await salvaged(AbortSignal.abort())).toBe(false);
    expect(await contents()).toEqual(["db", "db.1", "mark", "mark.1"]);
    expect(await salvaged()).toBe(true);
    expect(await contents()).toEqual(["db.1", "db.2", "mark.1", "mark.2"]);
  });

  it("is locked, and LevelDB does not work on it, where that could open it", async () => {
    const path = await withSnapshot(false);
    await lose(join(path, "db"), 7);
    const directory = await openDirectory(path, "n1", random);
    await expect(directory.open()).rejects.toMatchObject({ damage: { what: "hole", index: 7 } });
    expect(openedElsewhere(join(path, "db"))).toBe("LEVEL_LOCKED");
    expect(await directory.source.readDownFrom(9, 1_000)).toEqual([]);
    expect((await directory.salvage()).repair.state).toEqual({ type: "wants", wanted: 7 });
    await directory.close();
    expect(openedElsewhere(join(path, "db"))).not.toBe("LEVEL_LOCKED");
  });

  it("is repaired without a lock where the temporary directory cannot be written to", async () => {
    const path = await withSnapshot(false);
    await lose(join(path, "db"), 7);
    vi.stubEnv("TMPDIR", "/nonexistent");
    onTestFinished(() => void vi.unstubAllEnvs());
    const directory = await openDirectory(path, "n1", random);
    await expect(directory.open()).rejects.toMatchObject({ damage: { what: "hole", index: 7 } });
    expect((await directory.salvage()).repair.state).toEqual({ type: "wants", wanted: 7 });
    await directory.close();
  });

  it("is not read on once the node is stopped", async () => {
    const path = await withSnapshot();
    await rm(join(path, "db", "CURRENT"));
    const directory = await openDirectory(path, "n1", random);
    await expect(directory.salvage(AbortSignal.abort(new Error("stopped")))).rejects.toThrow(
      "stopped",
    );
    await directory.close();
  });

  it("is not told of where a file cannot be read, which may be there the next time", async () => {
    const path = await withSnapshot();
    await rm(join(path, "db", "CURRENT"));
    await mkdir(join(path, "db", "000099.ldb"));
    const directory = await openDirectory(path, "n1", random);
    await expect(directory.salvage()).rejects.toMatchObject({ code: "DISK" });
    await directory.close();
  });

  it("is not repaired where nobody can say how far it reached, or it is another's", async () => {
    const path = await withSnapshot();
    const mark = await readFile(join(path, "mark"));
    await rm(join(path, "db", "CURRENT"));
    await writeFile(join(path, "mark"), Buffer.alloc(8_192));
    const directory = await openDirectory(path, "n1", random);
    await expect(directory.open()).rejects.toMatchObject({ code: "DAMAGED" });
    await expect(directory.salvage()).rejects.toMatchObject({ damage: { what: "markUnreadable" } });
    await directory.close();
    await writeFile(join(path, "mark"), mark);
    const other = await withSnapshot();
    await rm(join(path, "db"), { recursive: true });
    await rm(join(other, "db", "CURRENT"));
    await rename(join(other, "db"), join(path, "db"));
    const mixed = await openDirectory(path, "n1", random);
    await expect(mixed.salvage()).rejects.toThrow(/belongs to the data directory with incarnation/);
    await mixed.close();
  });

  it("is healed anew where the making of what is to take its place fails, or is cut off", async () => {
    const path = await withSnapshot();
    await rm(join(path, "db", "CURRENT"));
    const directory = await openDirectory(path, "n1", random);
    const salvage = await directory.salvage();
    salvage.repair.entries = () => {
      throw new Error("the disk is full");
    };
    await expect(salvage.rebuild()).rejects.toThrow("the disk is full");
    await directory.close();
    const left = (await readdir(path)).filter((file) => /^(db|mark|generation)/.test(file));
    expect(left.sort()).toEqual(["db", "generation", "mark"]);
    // A process that ended there has left what it had made by then.
    await mkdir(join(path, "db.1"));
    await writeFile(join(path, "db.1", "000003.log"), "begun");
    await writeFile(join(path, "mark.1"), "begun");
    const next = await openDirectory(path, "n1", random);
    await expect(next.open()).rejects.toMatchObject({ damage: { what: "database" } });
    await (await next.salvage()).rebuild();
    await next.close();
    expect((await loadedFrom(path)).entries.at(-1)?.index).toBe(9);
  });

  it("takes no snapshot from behind which the log was never marked, whatever it names", async () => {
    const path = await withSnapshot();
    const { incarnation } = JSON.parse((await readFile(join(path, "identity"), "utf8")).slice(9));
    const mark = encodeMark({
      position: { ...LOG_START, index: 3, term: 1 },
      votes: 0,
      write: 9,
      incarnation,
    });
    await writeFile(join(path, "mark"), Buffer.concat([mark, mark]));
    await rm(join(path, "db", "CURRENT"));
    const directory = await openDirectory(path, "n1", random);
    const salvage = await directory.salvage();
    expect(salvage.repair.progress.all).toBe(9);
    expect(salvage.repair.state).not.toEqual({ type: "whole" });
    await directory.close();
  });

  it("is locked while it is repaired", async () => {
    const path = await withSnapshot();
    await rm(join(path, "db", "CURRENT"));
    const directory = await openDirectory(path, "n1", random);
    expect(openedElsewhere(join(path, "db"))).toBe("LEVEL_LOCKED");
    await directory.close();
    expect(openedElsewhere(join(path, "db"))).not.toBe("LEVEL_LOCKED");
  });
});

/** For good: a deletion alone leaves what it deletes in an older file. */
async function lose(database: string, index: number): Promise<void> {
  const store = await openLevelStore(database, { create: false });
  await store.batch([{ type: "del", key: entryKey(index) }]);
  await store.compact({ from: entryKey(0), to: entryKey(1_000) });
  await store.close();
}

/** The lock is one of the process: what another one hears. */
function openedElsewhere(database: string): string {
  const program = `
    const { Level } = require("level");
    const level = new Level(${JSON.stringify(database)}, { createIfMissing: false });
    level.open().catch((error) => console.log(error.cause?.code ?? error.code));`;
  return spawnSync(process.execPath, ["-e", program], { encoding: "utf8" }).stdout.trim();
}

it("of entries in any order, as many of the highest are kept as fit", () => {
  const bytesMax = 1_000;
  const values = Array.from({ length: 100 }, (_, at) => Buffer.alloc(60 + at, at));
  for (const step of [1, 7, 99]) {
    const found = new Highest(bytesMax);
    for (let at = 0; at < 100; at += 1) {
      const index = (at * step) % 100;
      found.offer(index, must(values[index]));
      expect(found.bytes).toBeLessThanOrEqual(bytesMax + 160);
    }
    const sizes = (taken: readonly Uint8Array[]) => taken.map(({ length }) => length);
    expect(sizes(withinBytes(found.values, bytesMax))).toEqual(
      sizes(withinBytes([...values].reverse(), bytesMax)),
    );
  }
});
