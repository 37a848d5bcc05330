import { randomBytes } from "node:crypto";
import { cp, readdir, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { LogDamaged } from "../../src/storage/damage.ts";
import { badFilesOf } from "../../src/storage/database-files.ts";
import { openDirectory } from "../../src/storage/directory.ts";
import { openLevelStore } from "../../src/storage/level-store.ts";
import { entriesBetween, hardState, openBorn, random, request, usedDirectory } from "./fixture.ts";

/** By one more start, which sorts what was in the log of LevelDB into a table. */
async function append(path: string, first: number, last: number): Promise<void> {
  const directory = await openBorn(path);
  const { storage } = await directory.open();
  await storage.persist(request(1, { entries: entriesBetween(first, last, 1) }));
  await directory.close();
}

/** A closed directory with entries in a table, and in a log. */
async function filled(inTable = 2): Promise<string> {
  const parts = { hardState: hardState(1), entries: entriesBetween(1, inTable, 1) };
  const path = await usedDirectory(parts);
  await append(path, inTable + 1, inTable + 2);
  return path;
}

async function fileIn(path: string, pattern: RegExp): Promise<string> {
  const file = (await readdir(join(path, "db"))).find((name) => pattern.test(name));
  if (file === undefined) throw new Error(`there is no ${pattern}`);
  return file;
}

async function bad(path: string): Promise<string[]> {
  return (await badFilesOf(join(path, "db"))).map(({ file, text }) => `${file}: ${text}`);
}

/** As a start sees it: it may be healed, and the process lives on. */
async function damageAtStart(path: string): Promise<string> {
  const directory = await openDirectory(path, "n1", random);
  try {
    await directory.open();
    return "none";
  } catch (error) {
    if (!(error instanceof LogDamaged)) throw error;
    return error.message;
  } finally {
    await directory.close();
  }
}

describe("the files of a database are held against each other before LevelDB opens it", () => {
  it("which finds nothing wrong with what it has written", async () => {
    const path = await filled();
    expect(await bad(path)).toEqual([]);
    expect(await damageAtStart(path)).toBe("none");
  });

  it("a batch that stands twice in the log, over which LevelDB aborts the process", async () => {
    const path = await filled();
    const file = await fileIn(path, /\.log$/);
    const content = await readFile(join(path, "db", file));
    await writeFile(join(path, "db", file), Buffer.concat([content, content]));
    expect(await bad(path)).toEqual([
      expect.stringMatching(/^\d+\.log: write \d+ stands in the place of \d+$/),
    ]);
    expect(await damageAtStart(path)).toContain(`${file}: write `);
  });

  it("a CURRENT that names no MANIFEST, or one that is not there", async () => {
    const path = await filled();
    await writeFile(join(path, "db", "CURRENT"), "MANIFEST-0000/4\n");
    expect(await bad(path)).toEqual(["CURRENT: it names no MANIFEST"]);
    expect(await damageAtStart(path)).toContain("CURRENT: it names no MANIFEST");
    await writeFile(join(path, "db", "CURRENT"), "MANIFEST-000099\n");
    expect(await bad(path)).toEqual(["MANIFEST-000099: it is missing"]);
    expect(await damageAtStart(path)).toContain("MANIFEST-000099: it is missing");
  });

  it("a MANIFEST of another database, or one that says nothing", async () => {
    const [path, other] = [await filled(), await filled(40)];
    const file = await fileIn(path, /^MANIFEST/);
    const theirs = join(other, "db", await fileIn(other, /^MANIFEST/));
    await cp(theirs, join(path, "db", file));
    const [first] = await bad(path);
    expect(first).toMatch(/^\d+\.ldb: it (?:is missing|has \d+ bytes, and was written with \d+)$/);
    expect(await damageAtStart(path)).toContain(first);
    await truncate(join(path, "db", file), 0);
    expect(await bad(path)).toEqual([`${file}: it does not say of what the database consists`]);
  });

  it("a table of another database", async () => {
    const [path, other] = [await filled(), await filled(40)];
    const file = await fileIn(path, /\.ldb$/);
    await cp(join(other, "db", await fileIn(other, /\.ldb$/)), join(path, "db", file));
    expect(await bad(path)).toEqual([
      expect.stringMatching(/^\d+\.ldb: it has \d+ bytes, and was written with \d+$/),
    ]);
    const directory = await openDirectory(path, "n1", random);
    await expect(directory.open()).rejects.toThrow(LogDamaged);
    // What it has proves itself as well, so nothing is taken from it, and its place is named.
    await expect(directory.salvage()).rejects.toMatchObject({
      code: "DAMAGED",
      message: expect.stringContaining(`${file} belongs to the data directory with incarnation`),
    });
    await directory.close();
  });

  it("a MANIFEST that has lost its end, before LevelDB deletes what that told of", async () => {
    const path = await filled();
    const database = join(path, "db");
    const store = await openLevelStore(database, { create: false });
    // More than it keeps in memory, so that it sorts them into tables.
    for (let at = 0; at < 40; at += 1) {
      await store.batch([{ type: "put", key: Buffer.from(`z${at}`), value: randomBytes(1 << 20) }]);
    }
    await store.close();
    const file = await fileIn(path, /^MANIFEST/);
    const content = await readFile(join(database, file));
    let end = 0;
    for (let records = 0; records < 2; records += 1) end += 7 + content.readUInt16LE(end + 4);
    expect(end).toBeLessThan(content.length);
    await truncate(join(database, file), end);
    const tables = (await readdir(database)).filter((name) => name.endsWith(".ldb"));
    expect(await damageAtStart(path)).toContain(`${file}: it does not know of the last tables`);
    expect(await readdir(database)).toEqual(expect.arrayContaining(tables));
  });

  it("but no table that nobody refers to: a process that was killed may have begun it", async () => {
    const path = await filled();
    await writeFile(join(path, "db", "000099.ldb"), "half of a tab");
    expect(await bad(path)).toEqual([]);
    expect(await damageAtStart(path)).toBe("none");
  });
});
