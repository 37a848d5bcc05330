import { cp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { openDirectory } from "../../src/storage/directory.ts";
import { encodeIdentity } from "../../src/storage/identity.ts";
import { inspectDirectory } from "../../src/storage/inspection.ts";
import { badPartOfLog, badPartOfTable } from "../../src/storage/level-damage.ts";
import { decodeManifest } from "../../src/storage/level-manifest.ts";
import { openLevelStore } from "../../src/storage/level-store.ts";
import { fingerprint } from "./fingerprint.ts";
import {
  entriesBetween,
  hardState,
  openBorn,
  random,
  request,
  temporaryDirectory,
} from "./fixture.ts";
import { N1 } from "./format/story.ts";

const KEPT = join(import.meta.dirname, "format-1");

async function kept(name = "n1"): Promise<string> {
  const path = join(await temporaryDirectory(), name);
  await cp(join(KEPT, name), path, { recursive: true });
  return path;
}

async function flip(file: string, at: number): Promise<void> {
  const content = await readFile(file);
  content[at]! ^= 1;
  await writeFile(file, content);
}

async function inDatabase(path: string, pattern: RegExp): Promise<string> {
  const names = await readdir(join(path, "db"));
  return join("db", names.find((name) => pattern.test(name))!);
}

describe("a look at a data directory", () => {
  it("tells whose it is, its votes, mark, log and snapshot", async () => {
    expect(await inspectDirectory(await kept())).toMatchObject({
      ...{ state: "read", why: null, damages: [], voteCopies: 2, removed: null },
      identity: { name: "n1", incarnation: N1, formatVersion: 1 },
      hardState: { term: 5, vote: N1 },
      mark: { index: 69, term: 5 },
      log: {
        ...{ isIntact: true, firstIndex: 62, lastIndex: 69, lastTerm: 5, commitIndex: 67 },
        snapshot: { index: 64, bytes: expect.any(Number) },
      },
      voters: [{ id: N1, name: "n1" }],
    });
  });

  it("tells of one whose log was set aside", async () => {
    expect(await inspectDirectory(await kept("n2"))).toMatchObject({
      returning: { lostEnd: { index: 3, term: 2 } },
      log: { isIntact: true, firstIndex: 1, lastIndex: 2 },
      damages: [],
    });
  });

  it("changes not one byte, of a directory as it was written, used since, or damaged", async () => {
    const used = join(await temporaryDirectory(), "used");
    const directory = await openBorn(used);
    const { storage } = await directory.open();
    await storage.persist(
      request(1, { hardState: hardState(1), entries: entriesBetween(1, 50, 1) }),
    );
    await directory.close();
    const damaged = await kept();
    await flip(join(damaged, await inDatabase(damaged, /\.ldb$/)), 100);
    await rm(join(damaged, "vote-b"));
    for (const path of [await kept(), await kept("n2"), used, damaged]) {
      const before = await fingerprint(path);
      const names = await readdir(path);
      expect((await inspectDirectory(path)).state).toBe("read");
      expect(await fingerprint(path)).toEqual(before);
      expect(await readdir(path)).toEqual(names);
    }
  });

  it("leaves nothing in the temporary directory, and a directory that a node can start on", async () => {
    const [path, scratch] = [await kept(), await temporaryDirectory()];
    vi.stubEnv("TMPDIR", scratch);
    onTestFinished(() => void vi.unstubAllEnvs());
    await inspectDirectory(path);
    await flip(join(path, await inDatabase(path, /\.ldb$/)), 20);
    await inspectDirectory(path);
    await flip(join(path, await inDatabase(path, /\.ldb$/)), 20);
    expect(await readdir(scratch)).toEqual([]);
    const directory = await openDirectory(path, "n1", random);
    expect((await directory.open()).loaded.entries.length).toBe(8);
    await directory.close();
  });

  it("takes no table for damaged that a killed process has begun and nothing refers to", async () => {
    const path = await kept();
    const table = await readFile(join(path, await inDatabase(path, /\.ldb$/)));
    await writeFile(join(path, "db", "000998.ldb"), table.subarray(0, table.length / 2));
    await writeFile(join(path, "db", "000999.ldb"), "");
    expect(await inspectDirectory(path)).toMatchObject({ damages: [], log: { isIntact: true } });
    const directory = await openDirectory(path, "n1", random);
    expect((await directory.open()).loaded.entries.length).toBe(8);
    await directory.close();
  });

  it("does not take what it cannot read for damaged", async () => {
    const [path, scratch] = [await kept(), await temporaryDirectory()];
    vi.stubEnv("TMPDIR", join(scratch, "nowhere"));
    onTestFinished(() => void vi.unstubAllEnvs());
    expect(await inspectDirectory(path)).toMatchObject({
      ...{ state: "read", why: expect.stringMatching(/^db was not read: ENOENT/) },
      ...{ damages: [], log: null, voteCopies: 2 },
    });
  });

  it("of what is none says why", async () => {
    const path = await temporaryDirectory();
    expect(await inspectDirectory(join(path, "nowhere"))).toMatchObject({
      ...{ state: "none", why: "there is none" },
    });
    expect(await inspectDirectory(path)).toMatchObject({
      why: "nothing of a data directory is in it",
    });
    await writeFile(join(path, "creating"), "");
    expect((await inspectDirectory(path)).why).toContain("cut short");
    expect((await inspectDirectory(join(path, "creating"))).why).toBe("it is no directory");
  });

  it("of a later format reads no more than that", async () => {
    const path = await kept();
    const identity = { formatVersion: 2, name: "n1", incarnation: N1 };
    await writeFile(join(path, "identity"), encodeIdentity(identity));
    await writeFile(join(path, "birth"), "of another layout");
    expect(await inspectDirectory(path)).toMatchObject({
      ...{ state: "newer", why: expect.stringContaining("format 2"), damages: [] },
    });
  });

  it("shows that it is an older copy", async () => {
    const path = await kept();
    await writeFile(join(path, "outdated"), "it had acknowledged entry 3\n");
    const damages = [{ file: "outdated", text: "it had acknowledged entry 3", isMended: false }];
    expect(await inspectDirectory(path)).toMatchObject({ damages });
  });

  it("shows who was removed, and what is to be set aside", async () => {
    const path = await kept();
    await writeFile(join(path, "removed"), "n1 was removed\n");
    await writeFile(join(path, "diverged"), "wrong\n");
    expect(await inspectDirectory(path)).toMatchObject({
      ...{ removed: "n1 was removed", isSetAside: true },
    });
  });
});

describe("damage is told by the name of the file", () => {
  const flipped = (file: string) => [file, (path: string) => flip(join(path, file), 12)] as const;
  const gone = (file: string) =>
    [file, (path: string) => rm(join(path, file), { recursive: true })] as const;

  const refusing: (readonly [string, (path: string) => Promise<void>, RegExp])[] = [
    [...flipped("identity"), /not as it was written/],
    [...gone("identity"), /missing/],
    [...flipped("birth"), /not as it was written/],
    [...gone("birth"), /missing although db has entries/],
    [...gone("mark"), /missing/],
    [...gone("db"), /missing/],
  ];
  for (const [file, damage, text] of refusing) {
    it(`${file}: ${text.source}`, async () => {
      const path = await kept();
      await damage(path);
      const { damages } = await inspectDirectory(path);
      expect(damages).toEqual([{ file, text: expect.stringMatching(text), isMended: false }]);
    });
  }

  it("one copy of the vote is mended, two are not", async () => {
    const path = await kept();
    await flip(join(path, "vote-a"), 12);
    expect(await inspectDirectory(path)).toMatchObject({
      ...{ voteCopies: 1, hardState: { term: 5 }, damages: [{ file: "vote-a", isMended: true }] },
    });
    await rm(join(path, "vote-b"));
    const { damages, hardState: lost, log } = await inspectDirectory(path);
    expect(damages.map(({ file, isMended }) => [file, isMended])).toEqual([
      ["vote-a", false],
      ["vote-b", false],
    ]);
    expect([lost, log?.lastIndex]).toEqual([null, 69]);
  });

  it("birth, generation or database of another directory", async () => {
    const path = await kept();
    await cp(join(KEPT, "n2", "birth"), join(path, "birth"));
    await rm(join(path, "db"), { recursive: true });
    await cp(join(KEPT, "n2", "db"), join(path, "db"), { recursive: true });
    const { damages } = await inspectDirectory(path);
    expect(damages.map(({ file }) => file)).toEqual(["birth", "db", "db"]);
    expect(damages[1]?.text).toContain("another directory (0123456789abcdef)");
  });

  for (const pattern of [/\.ldb$/, /\.log$/, /^MANIFEST/]) {
    it(`files of LevelDB: ${pattern.source}`, async () => {
      const path = await kept();
      const file = await inDatabase(path, pattern);
      await flip(join(path, file), 20);
      const { damages, log, why } = await inspectDirectory(path);
      expect(damages).toEqual([
        {
          file,
          text: expect.stringMatching(/not as it was written.*from byte 0 of/),
          isMended: false,
        },
      ]);
      expect([log, why]).toEqual([null, "db is damaged, so its log was not read"]);
    });
  }

  it("a table or the list of tables that is missing", async () => {
    for (const pattern of [/\.ldb$/, /^MANIFEST/, /^CURRENT$/]) {
      const path = await kept();
      const file = await inDatabase(path, pattern);
      await rm(join(path, file));
      const { damages } = await inspectDirectory(path);
      expect(damages).toMatchObject([{ file, text: "it is missing", isMended: false }]);
    }
  });

  it("a log that ends before the mark, and how far it can be proved", async () => {
    const path = await kept();
    const file = join(path, await inDatabase(path, /\.log$/));
    await truncate(file, 0);
    const { damages, log } = await inspectDirectory(path);
    expect(damages).toMatchObject([{ file: "db", isMended: false }]);
    expect(log).toMatchObject({ isIntact: false });
  });
});

describe("the checksums of LevelDB's files", () => {
  async function filled(): Promise<{ readonly tables: Buffer[]; readonly logs: Buffer[] }> {
    const path = join(await temporaryDirectory(), "db");
    for (const start of [0, 1]) {
      const store = await openLevelStore(path, { create: start === 0 });
      for (let at = 0; at < 60; at += 1) {
        const value = at % 2 === 0 ? random.bytes(2_000) : Buffer.alloc(2_000, `${start} ${at} `);
        await store.batch([{ type: "put", key: Buffer.from(`${start}/${at}`), value }]);
      }
      await store.close();
    }
    const names = await readdir(path);
    const read = (pattern: RegExp) =>
      Promise.all(names.filter((n) => pattern.test(n)).map((n) => readFile(join(path, n))));
    return { tables: await read(/\.ldb$/), logs: await read(/\.log$|^MANIFEST/) };
  }

  it("are asked of the tables in use, which are all that LevelDB leaves behind an opening", async () => {
    const path = join(await temporaryDirectory(), "db");
    const range = { from: Buffer.from("a"), to: Buffer.from("z") };
    for (let start = 0; start < 8; start += 1) {
      const store = await openLevelStore(path, { create: start === 0 });
      for (const key of ["b", `c${start}`, "d"]) {
        await store.batch([{ type: "put", key: Buffer.from(key), value: random.bytes(9_000) }]);
      }
      if (start % 3 === 2) await store.compact(range);
      await store.close();
      const names = await readdir(path);
      const manifest = await readFile(join(path, names.find((name) => /^MANIFEST/.test(name))!));
      const there = names.flatMap((name) =>
        /\.ldb$/.test(name) ? [Number.parseInt(name, 10)] : [],
      );
      expect([...decodeManifest(manifest)!.tables.keys()].sort()).toEqual(there.sort());
      expect(start === 0 ? 0 : 1).toBeLessThanOrEqual(there.length);
    }
  });

  it("are right in what LevelDB has written", async () => {
    const { tables, logs } = await filled();
    expect([tables.length > 0, logs.length]).toEqual([true, 2]);
    expect([...tables.map(badPartOfTable), ...logs.map(badPartOfLog)]).toEqual(
      [...tables, ...logs].map(() => null),
    );
  });

  it("show every flipped byte of a table, but for padding in its footer", async () => {
    const { tables } = await filled();
    const [table] = tables;
    for (let at = 0; at < table!.length - 48; at += 1_009) {
      const flipped = Buffer.from(table!);
      flipped[at]! ^= 1 << (at % 8);
      expect(badPartOfTable(flipped), `byte ${at}`).toMatchObject({
        offset: expect.any(Number),
      });
    }
    expect(badPartOfTable(table!.subarray(0, table!.length - 100))).not.toBeNull();
  });

  it("show a flipped byte of a log, unless nothing is behind it: a crash may have torn the end", async () => {
    const { logs } = await filled();
    const log = logs.toSorted((one, other) => other.length - one.length)[0]!;
    for (let at = 0; at < log.length - 5_000; at += 997) {
      const flipped = Buffer.from(log);
      flipped[at]! ^= 1 << (at % 8);
      expect(badPartOfLog(flipped), `byte ${at}`).not.toBeNull();
    }
    const zeroed = Buffer.from(log).fill(0, 40_000, 48_000);
    expect(badPartOfLog(zeroed)).toMatchObject({ offset: expect.any(Number) });
    const torn = Buffer.from(log);
    torn[log.length - 1]! ^= 1;
    expect(badPartOfLog(torn)).toBeNull();
    for (const length of [log.length - 1, log.length - 1_500, log.length - 2_100]) {
      expect(badPartOfLog(log.subarray(0, length))).toBeNull();
    }
    expect(badPartOfLog(Buffer.concat([log, Buffer.alloc(10_000)]))).toBeNull();
  });
});
