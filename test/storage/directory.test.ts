import { cp, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type DataDirectory, openDirectory } from "../../src/storage/directory.ts";
import { decodeIdentity, encodeIdentity } from "../../src/storage/identity.ts";
import { seal } from "../../src/storage/sealed.ts";
import { AssertionError } from "../../src/util/assert.ts";
import {
  birthOf,
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

async function filledDirectory(): Promise<string> {
  return usedDirectory({ hardState: hardState(1, "a"), entries: entriesBetween(1, 3, 1) });
}

async function entriesIn(path: string): Promise<number> {
  const directory = await openDirectory(path, "n1", random);
  const { loaded } = await directory.open();
  await directory.close();
  return loaded.entries.length;
}

async function reopened(path: string): Promise<DataDirectory> {
  const directory = await openDirectory(path, "n1", random);
  await directory.close();
  return directory;
}

async function databaseFile(path: string, pattern: RegExp): Promise<string> {
  const names = await readdir(join(path, "db"));
  return join(path, "db", names.find((name) => pattern.test(name))!);
}

/** Whatever an operator does next, the damaged directory is not to be thrown away. */
function keepAdvice(path: string): unknown {
  return expect.stringMatching(
    new RegExp(
      `Keep ${path}, moved aside .*: recovery may need it\\. .*majority of all members runs`,
    ),
  );
}

const DAMAGES: readonly (readonly [string, (path: string) => Promise<void>])[] = [
  ["without its identity", (path) => rm(join(path, "identity"))],
  ["without its birth", (path) => rm(join(path, "birth"))],
  ["without its database", (path) => rm(join(path, "db"), { recursive: true })],
  ["without the CURRENT of its database", (path) => rm(join(path, "db", "CURRENT"))],
  ["without its mark", (path) => rm(join(path, "mark"))],
  ["with a mark that is garbage", (path) => writeFile(join(path, "mark"), "garbage")],
  [
    "with votes that are garbage",
    async (path) => {
      await writeFile(join(path, "vote-a"), "garbage");
      await writeFile(join(path, "vote-b"), "garbage");
    },
  ],
  [
    "with the birth of another one",
    async (path) => cp(join(await filledDirectory(), "birth"), join(path, "birth")),
  ],
];

describe("a new data directory", () => {
  it("is made with those above it, and has an identity but no birth", async () => {
    const path = join(await temporaryDirectory(), "a", "b", "n1");
    const directory = await openDirectory(path, "n1", random);
    expect(directory.identity).toMatchObject({ formatVersion: 1, name: "n1" });
    expect(directory.identity.incarnation).toMatch(/^[0-9a-f]{16}$/);
    expect(directory.birth).toBeNull();
    await expect(directory.open()).rejects.toThrow(AssertionError);
    await directory.close();
  });

  it("keeps its incarnation, its birth and its log over starts", async () => {
    const path = join(await temporaryDirectory(), "n1");
    const first = await openBorn(path);
    const birth = birthOf(first);
    await first.open();
    await first.close();
    const second = await reopened(path);
    expect(second.identity).toEqual(first.identity);
    expect(second.birth).toEqual(birth);
    expect(await entriesIn(await filledDirectory())).toBe(3);
  });

  it("draws another incarnation than any other", async () => {
    const one = await reopened(join(await temporaryDirectory(), "n1"));
    const other = await reopened(join(await temporaryDirectory(), "n1"));
    expect(one.identity.incarnation).not.toBe(other.identity.incarnation);
  });

  it("leaves alone what else is in there", async () => {
    const path = await temporaryDirectory();
    await writeFile(join(path, "lost+found"), "mine");
    await reopened(path);
    expect(await readFile(join(path, "lost+found"), "utf8")).toBe("mine");
  });

  it("takes the same birth twice, and no other", async () => {
    const directory = await openBorn(join(await temporaryDirectory(), "n1"));
    await directory.bear(birthOf(directory));
    const other = { ...birthOf(directory), clusterId: "d".repeat(32) };
    await expect(directory.bear(other)).rejects.toMatchObject({ code: "FOREIGN" });
    await directory.close();
  });
});

describe("a making that a crash cut short", () => {
  const unfinished: readonly [string, readonly string[]][] = [
    ["before anything was written", []],
    ["behind its first file", ["creating"]],
    ["while LevelDB made its files", ["creating", "db"]],
    ["among the vote files", ["creating", "db", "vote-a"]],
    ["before the identity had its name", ["creating", "db", "vote-a", "vote-b", "mark"]],
  ];
  it.each(unfinished)("%s is begun again", async (_, kept) => {
    const path = join(await temporaryDirectory(), "n1");
    const before = await reopened(path);
    await writeFile(join(path, "creating"), "");
    await writeFile(join(path, "identity.tmp"), "half");
    for (const name of ["db", "vote-a", "vote-b", "mark", "creating", "identity"]) {
      if (!kept.includes(name)) await rm(join(path, name), { recursive: true });
    }
    const after = await openBorn(path);
    expect(after.identity.incarnation).not.toBe(before.identity.incarnation);
    expect((await after.open()).loaded.entries).toEqual([]);
    await after.close();
    expect(await readdir(path)).not.toContain("creating");
  });

  it("with a LevelDB that a power cut left unreadable is begun again", async () => {
    const path = join(await temporaryDirectory(), "n1");
    await reopened(path);
    await writeFile(join(path, "creating"), "");
    await rm(join(path, "identity"));
    await writeFile(await databaseFile(path, /^MANIFEST/), "");
    expect((await reopened(path)).birth).toBeNull();
  });

  it("behind its last file counts as made", async () => {
    const path = await filledDirectory();
    await writeFile(join(path, "creating"), "");
    expect(await entriesIn(path)).toBe(3);
    expect(await readdir(path)).not.toContain("creating");
  });

  it("in the middle of a birth leaves it unborn", async () => {
    const path = join(await temporaryDirectory(), "n1");
    const before = await reopened(path);
    await writeFile(join(path, "birth.tmp"), "half");
    const after = await openDirectory(path, "n1", random);
    expect(after.identity).toEqual(before.identity);
    expect(after.birth).toBeNull();
    await after.bear(birthOf(after));
    await after.close();
    expect((await reopened(path)).birth).toEqual(birthOf(after));
  });
});

describe("a directory is refused", () => {
  async function refusalOf(path: string, name = "n1"): Promise<unknown> {
    const directory = await openDirectory(path, name, random);
    try {
      return (await directory.open()).loaded;
    } finally {
      await directory.close();
    }
  }

  it("under another node's name, which is not changed by that", async () => {
    const path = await filledDirectory();
    await expect(refusalOf(path, "n2")).rejects.toMatchObject({
      code: "FOREIGN",
      message: expect.stringContaining("belongs to node n1, not to n2"),
      hint: expect.stringContaining("--id n1"),
    });
    expect(await entriesIn(path)).toBe(3);
  });

  it("while it is open, in this process too, and not any more once it is closed", async () => {
    const path = await filledDirectory();
    const directory = await openDirectory(path, "n1", random);
    await expect(refusalOf(path)).rejects.toMatchObject({
      code: "LOCKED",
      hint: expect.stringContaining("Another node runs on this data directory"),
    });
    await directory.close();
    expect(await entriesIn(path)).toBe(3);
  });

  it("while it is open and not born", async () => {
    const path = join(await temporaryDirectory(), "n1");
    const directory = await openDirectory(path, "n1", random);
    await expect(refusalOf(path)).rejects.toMatchObject({ code: "LOCKED" });
    await directory.close();
  });

  it("with the database, birth or votes of another directory", async () => {
    for (const [part, code] of [
      ["db", "FOREIGN"],
      ["birth", "FOREIGN"],
      ["identity", "FOREIGN"],
    ] as const) {
      const [path, other] = [await filledDirectory(), await filledDirectory()];
      await rm(join(path, part), { recursive: true });
      await cp(join(other, part), join(path, part), { recursive: true });
      await expect(refusalOf(path)).rejects.toMatchObject({ code });
    }
  });

  for (const [what, damage] of DAMAGES) {
    it(`${what}, with the advice to keep it`, async () => {
      const path = await filledDirectory();
      await damage(path);
      await expect(refusalOf(path)).rejects.toMatchObject({ hint: keepAdvice(path) });
    });
  }

  it("when a newer Rollcall wrote it", async () => {
    const path = await filledDirectory();
    const identity = decodeIdentity(await readFile(join(path, "identity")))!;
    await writeFile(join(path, "identity"), encodeIdentity({ ...identity, formatVersion: 2 }));
    await expect(refusalOf(path)).rejects.toMatchObject({
      code: "VERSION",
      message: expect.stringContaining("format 2"),
    });
  });

  for (const part of ["identity", "birth", "db", "mark"]) {
    it(`without its ${part}, and nothing is made in its place`, async () => {
      const path = await filledDirectory();
      await rename(join(path, part), `${path}-${part}`);
      await expect(refusalOf(path)).rejects.toMatchObject({ code: "DAMAGED" });
      await expect(stat(join(path, part))).rejects.toMatchObject({ code: "ENOENT" });
      await rename(`${path}-${part}`, join(path, part));
      expect(await entriesIn(path)).toBe(3);
    });
  }

  it("without its birth, when it has installed a snapshot and has no entries", async () => {
    const path = join(await temporaryDirectory(), "n1");
    const directory = await openBorn(path);
    const { storage } = await directory.open();
    const snapshot = snapshotAt(9, 1, 1);
    await storage.persist(request(1, { hardState: hardState(1), snapshot: stage(snapshot) }));
    await storage.persist(request(2, { snapshot: switchTo(snapshot, "00112233445566ff") }));
    await directory.close();
    await rm(join(path, "birth"));
    await expect(refusalOf(path)).rejects.toMatchObject({
      code: "DAMAGED",
      message: expect.stringContaining("has snapshots but there is no"),
    });
  });

  it("without its identity, before it was born too", async () => {
    const path = join(await temporaryDirectory(), "n1");
    await reopened(path);
    await rm(join(path, "identity"));
    await expect(refusalOf(path)).rejects.toMatchObject({ code: "DAMAGED" });
  });

  for (const part of ["identity", "birth"]) {
    it(`with a flipped byte in its ${part}`, async () => {
      const path = await filledDirectory();
      const content = await readFile(join(path, part));
      for (let at = 0; at < content.length; at += 7) {
        const flipped = Buffer.from(content);
        flipped[at]! ^= 1;
        await writeFile(join(path, part), flipped);
        await expect(refusalOf(path)).rejects.toMatchObject({ code: "DAMAGED" });
      }
    });
  }

  it("without CURRENT, and LevelDB does not start a new database over the old one", async () => {
    const path = await filledDirectory();
    const current = await readFile(join(path, "db", "CURRENT"));
    await rm(join(path, "db", "CURRENT"));
    for (let start = 0; start < 2; start += 1) {
      await expect(refusalOf(path)).rejects.toMatchObject({ code: "DAMAGED" });
    }
    await writeFile(join(path, "db", "CURRENT"), current);
    expect(await entriesIn(path)).toBe(3);
  });

  it("without MANIFEST, or the log of LevelDB", async () => {
    for (const pattern of [/^MANIFEST/, /\.log$/]) {
      const path = await filledDirectory();
      await rm(await databaseFile(path, pattern));
      await expect(refusalOf(path)).rejects.toMatchObject({ code: "DAMAGED" });
    }
  });

  it("when it is a file", async () => {
    const path = join(await temporaryDirectory(), "file");
    await writeFile(path, "");
    await expect(refusalOf(path)).rejects.toMatchObject({ code: "DISK" });
  });
});

describe("a directory that has joined", () => {
  it("knows as of which index it is a member, and one from before that could be is of the first", async () => {
    const path = join(await temporaryDirectory(), "n1");
    const directory = await openDirectory(path, "n1", random);
    await directory.bear({ ...birthOf(directory), members: [], joinedIndex: 12 });
    await directory.close();
    expect((await reopened(path)).birth).toMatchObject({ members: [], joinedIndex: 12 });
    const { joinedIndex: _, ...record } = birthOf(directory);
    const { incarnation } = directory.identity;
    await writeFile(join(path, "birth"), seal("birth", { incarnation, ...record }));
    expect((await reopened(path)).birth).toEqual({ ...record, joinedIndex: 0 });
  });
});

describe("a directory that is older than what its member has acknowledged", () => {
  it("is not opened again, and says why and what to do", async () => {
    const path = await temporaryDirectory();
    const directory = await openBorn(path);
    await directory.giveUp("it had acknowledged entry 25");
    await directory.close();
    for (const _ of [1, 2]) {
      await expect(openBorn(path)).rejects.toMatchObject({
        code: "DAMAGED",
        message: "it had acknowledged entry 25",
        hint: expect.stringContaining("member replace"),
      });
    }
  });
});

describe("the directory of a member that was removed", () => {
  it("is not opened again, and says so and what to do", async () => {
    const path = await filledDirectory();
    const directory = await openDirectory(path, "n1", random);
    await directory.leave("n1 was removed from cluster c");
    await directory.close();
    await expect(openDirectory(path, "n1", random)).rejects.toMatchObject({
      code: "REMOVED",
      message: "n1 was removed from cluster c",
      hint: expect.stringContaining("--join HOST:PORT"),
    });
    expect(await readdir(path)).toContain("db");
  });
});
