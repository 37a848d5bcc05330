import { readdir, readFile, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type DataDirectory, openDirectory } from "../../src/storage/directory.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { entriesBetween, hardState, openBorn, random, request, usedDirectory } from "./fixture.ts";

const OLD_MS = 3_600_000;

/** Open, with a table of an hour ago, and a look at it that pauses for nothing. */
async function running(): Promise<{
  directory: DataDirectory;
  storage: Storage;
  table: string;
}> {
  const path = await usedDirectory({ hardState: hardState(1), entries: entriesBetween(1, 900, 1) });
  // LevelDB moves what is in its log into a table when it is opened.
  await (await openDirectory(path, "n1", random)).close();
  const directory = await openBorn(path);
  const { storage } = await directory.open();
  const name = (await readdir(join(path, "db"))).find((file) => file.endsWith(".ldb"));
  if (name === undefined) throw new Error("there is no table");
  const table = join("db", name);
  await age(join(path, table));
  return { directory, storage, table };
}

async function age(file: string): Promise<void> {
  const at = (Date.now() - OLD_MS) / 1_000;
  await utimes(file, at, at);
}

async function flip(file: string, at: number): Promise<void> {
  const content = await readFile(file);
  content[at] = (content[at] ?? 0) ^ 8;
  await writeFile(file, content);
}

interface Look {
  readonly files: readonly string[];
  readonly damaged: readonly string[];
}

async function look(
  directory: DataDirectory,
  pause: () => Promise<void> = async () => {},
): Promise<Look> {
  const files: string[] = [];
  const damaged: string[] = [];
  for await (const { file, damage } of directory.scrub(Date.now(), pause)) {
    files.push(file);
    if (damage !== null) damaged.push(file);
  }
  return { files, damaged };
}

describe("a scrub", () => {
  it("reads every small file, table and log, and finds nothing where nothing is", async () => {
    const { directory, table } = await running();
    const small = ["identity", "birth", "vote-a", "vote-b", "mark"];
    const logs = (await readdir(join(directory.path, "db")))
      .filter((file) => /^MANIFEST|\.log$/.test(file))
      .map((file) => join("db", file));
    expect(logs).toHaveLength(2);
    const { files, damaged } = await look(directory);
    expect(files).toEqual([...small, ...[table, ...logs].sort()]);
    expect(damaged).toEqual([]);
    await directory.close();
  });

  it.each([/\.log$/, /^MANIFEST/])("finds one bit of %s, but for the last record", async (name) => {
    const { directory, storage } = await running();
    for (let write = 1; write <= 3; write += 1) {
      await storage.persist(
        request(write, { entries: entriesBetween(900 + write, 900 + write, 1) }),
      );
    }
    const file = (await readdir(join(directory.path, "db"))).find((one) => name.test(one)) ?? "";
    await flip(join(directory.path, "db", file), 20);
    expect((await look(directory)).damaged).toEqual([join("db", file)]);
    await directory.close();
  });

  it("finds nothing in a log that is written to meanwhile", async () => {
    const { directory, storage } = await running();
    const bytes = 40_000;
    for (let write = 1; write <= 60; write += 1) {
      const entries = entriesBetween(900 + write, 900 + write, 1).map((entry) => ({
        ...entry,
        data: new Uint8Array(bytes + write * 997),
      }));
      const written = storage.persist(request(write, { entries }));
      expect((await look(directory, () => new Promise(setImmediate))).damaged).toEqual([]);
      await written;
    }
    await directory.close();
  });

  it.each(["identity", "birth", "vote-a", "vote-b", "mark"])(
    "finds one bit of %s",
    async (file) => {
      const { directory } = await running();
      await flip(join(directory.path, file), 12);
      expect((await look(directory)).damaged).toEqual([file]);
      await directory.close();
    },
  );

  it("finds one bit of a table, whatever block it is in", async () => {
    const { directory, table } = await running();
    const path = join(directory.path, table);
    const { length } = await readFile(path);
    for (const at of [0, length >> 1, length - 60, length - 4]) {
      await flip(path, at);
      await age(path);
      expect((await look(directory)).damaged, `byte ${at} of ${length}`).toEqual([table]);
      await flip(path, at);
      await age(path);
    }
    expect((await look(directory)).damaged).toEqual([]);
    await directory.close();
  });

  it("leaves a table alone that may be in the making", async () => {
    const { directory, table } = await running();
    await writeFile(join(directory.path, "db", "999999.ldb"), "the beginning of a table");
    expect((await look(directory)).files).not.toContain(join("db", "999999.ldb"));
    expect((await look(directory)).files).toContain(table);
    await directory.close();
  });

  it("looks once more at a small file that was written while it was read", async () => {
    const { directory } = await running();
    const path = join(directory.path, "vote-a");
    const whole = await readFile(path);
    await flip(path, 12);
    const { damaged } = await look(directory, () => writeFile(path, whole));
    expect(damaged).toEqual([]);
    await directory.close();
  });
});
