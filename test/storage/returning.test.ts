import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Entry } from "../../src/raft/types.ts";
import { type DataDirectory, openDirectory } from "../../src/storage/directory.ts";
import { inspectDirectory } from "../../src/storage/inspection.ts";
import { entryKey } from "../../src/storage/layout.ts";
import { openLevelStore } from "../../src/storage/level-store.ts";
import { confCodec } from "../../src/wire/conf-codec.ts";
import {
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

const MEMBERS = ["a", "b"].map((id) => ({ id, name: `n${id}`, address: `${id}:1` }));
const CONF: Entry = {
  index: 2,
  term: 1,
  kind: "conf",
  data: confCodec.encode({
    voters: ["a", "b"],
    votersOutgoing: [],
    learners: [],
    members: MEMBERS,
  }),
};

async function openN1(path: string): Promise<DataDirectory> {
  return openDirectory(path, "n1", random);
}

/** With entries up to 3 of term 1, the second of them a configuration. */
async function filledDirectory(): Promise<string> {
  const entries = [...entriesBetween(1, 1, 1), CONF, ...entriesBetween(3, 3, 1)];
  return usedDirectory({ hardState: hardState(4, "b"), entries });
}

async function setAside(path: string): Promise<void> {
  const directory = await openN1(path);
  await directory.setAside("at log index 64 its digest is a, that of a majority is b");
  await directory.close();
}

/** Opens it, writes entries of term 4 into it if there is a last one, and closes it. */
async function returns(path: string, last = 0): Promise<DataDirectory> {
  const directory = await openN1(path);
  const { storage } = await directory.open();
  if (last > 0) await storage.persist(request(1, { entries: entriesBetween(1, last, 4) }));
  await directory.close();
  return directory;
}

async function databases(path: string): Promise<string[]> {
  return (await readdir(path)).filter((name) => /^(db|mark)/.test(name)).sort();
}

describe("a directory that was set aside", () => {
  it("is opened without its log, but with term, vote, and the end of that log", async () => {
    const path = await filledDirectory();
    await setAside(path);
    const directory = await openN1(path);
    const { loaded } = await directory.open();
    expect(loaded).toMatchObject({
      hardState: { term: 4, vote: "b" },
      snapshot: null,
      entries: [],
      commitIndex: 0,
    });
    expect(directory.returning).toEqual({ lostEnd: { index: 3, term: 1 }, members: MEMBERS });
    await directory.close();
  });

  it("is not opened with a former log, once the one behind it was in use", async () => {
    const path = await filledDirectory();
    await setAside(path);
    await returns(path, 2);
    const generation = join(path, "generation");
    const first = await readFile(generation);
    await setAside(path);
    await (await openN1(path)).close();
    // A crash leaves it so: no start has read that log, and nobody has vouched for it.
    await writeFile(generation, first);
    await (await openN1(path)).close();
    await setAside(path);
    await returns(path, 2);
    await writeFile(generation, first);
    await expect(openN1(path)).rejects.toMatchObject({
      code: "DAMAGED",
      message: expect.stringMatching(/generation is older than db\.2, which was in use$/),
    });
    expect((await inspectDirectory(path)).damages).toMatchObject([
      { file: "generation", text: "it is older than db.2, which was in use" },
    ]);
    // Without the file it is the first one, where there is a marker.
    await rm(generation);
    await writeFile(join(path, "diverged"), "");
    await expect(openN1(path)).rejects.toMatchObject({ code: "DAMAGED" });
  });

  it("keeps what it had, and the name of it is told", async () => {
    const path = await filledDirectory();
    const before = await readdir(join(path, "db"));
    await setAside(path);
    const { aside } = await returns(path);
    expect(aside).toBe(join(path, "db"));
    expect((await readdir(join(path, "db"))).length).toBeGreaterThanOrEqual(before.length);
    expect(await databases(path)).toEqual(["db", "db.1", "mark", "mark.1"]);
    expect(await readdir(path)).not.toContain("diverged");
  });

  it("goes on at later starts with what it has been sent, until it is back", async () => {
    const path = await filledDirectory();
    await setAside(path);
    await returns(path, 2);
    const directory = await openN1(path);
    expect((await directory.open()).loaded.entries.length).toBe(2);
    expect(directory.returning?.lostEnd).toEqual({ index: 3, term: 1 });
    await directory.returned();
    expect(directory.returning).toBeNull();
    await directory.close();
    const again = await openN1(path);
    expect(again.returning).toBeNull();
    expect((await again.open()).loaded.entries.length).toBe(2);
    await again.close();
  });

  it("has the end of a snapshot and the members of it, where no entry is left", async () => {
    const path = join(await temporaryDirectory(), "n1");
    const directory = await openBorn(path);
    const { storage } = await directory.open();
    const snapshot = snapshotAt(9, 2, 77);
    await storage.persist(request(1, { hardState: hardState(2), snapshot: stage(snapshot) }));
    await storage.persist(request(2, { snapshot: switchTo(snapshot, "c".repeat(16)) }));
    await directory.setAside("wrong");
    await directory.close();
    const { returning } = await returns(path);
    expect(returning).toEqual({
      lostEnd: { index: 9, term: 2 },
      members: snapshot.conf.members,
    });
  });

  it("a second time, has vouched for the later of two ends, and keeps one former log", async () => {
    const path = await filledDirectory();
    await setAside(path);
    await returns(path);
    const directory = await openN1(path);
    const { storage } = await directory.open();
    await storage.persist(request(1, { entries: entriesBetween(1, 2, 1) }));
    await directory.setAside("wrong again");
    await directory.close();
    const shorter = await returns(path);
    expect(shorter.returning?.lostEnd).toEqual({ index: 3, term: 1 });
    expect(shorter.returning?.members).toEqual(MEMBERS);
    expect(await databases(path)).toEqual(["db.1", "db.2", "mark.1", "mark.2"]);
    await returns(path, 1);
    await setAside(path);
    expect((await returns(path)).returning?.lostEnd).toEqual({ index: 1, term: 4 });
    expect(await databases(path)).toEqual(["db.2", "db.3", "mark.2", "mark.3"]);
  });

  it("is set aside once where a crash leaves the marker", async () => {
    const path = await filledDirectory();
    await setAside(path);
    const marker = await readFile(join(path, "diverged"));
    await returns(path);
    await writeFile(join(path, "diverged"), marker);
    const { returning, aside } = await returns(path);
    expect(returning?.lostEnd).toEqual({ index: 3, term: 1 });
    expect(aside).toBe(join(path, "db"));
    expect(await databases(path)).toEqual(["db", "db.1", "mark", "mark.1"]);
    expect(await readdir(path)).not.toContain("diverged");
  });

  it("begins anew where a crash left half of the next database", async () => {
    const path = await filledDirectory();
    await setAside(path);
    await mkdir(join(path, "db.1"));
    await writeFile(join(path, "db.1", "CURRENT"), "garbage");
    await writeFile(join(path, "mark.1"), "garbage");
    expect((await returns(path, 2)).returning?.lostEnd).toEqual({ index: 3, term: 1 });
  });

  it("is refused when its log is damaged, since nobody knows what it has vouched for", async () => {
    const path = await filledDirectory();
    await setAside(path);
    await writeFile(join(path, "mark"), "garbage");
    for (let start = 0; start < 2; start += 1) {
      const directory = await openN1(path);
      const damage = { what: "markUnreadable" };
      await expect(directory.open()).rejects.toMatchObject({ code: "DAMAGED", damage });
      await expect(directory.salvage()).rejects.toMatchObject({ damage });
      await directory.close();
      expect(await databases(path)).toEqual(["db", "mark"]);
    }
  });

  it("is set aside once its log is whole again, where that was damaged", async () => {
    const path = await filledDirectory();
    await setAside(path);
    const store = await openLevelStore(join(path, "db"), { create: false });
    await store.batch([{ type: "del", key: entryKey(2) }]);
    await store.close();
    const damagedOne = await openN1(path);
    await expect(damagedOne.open()).rejects.toMatchObject({ damage: { what: "hole", index: 2 } });
    // What was deleted still stands in an older file.
    await (await damagedOne.salvage()).rebuild();
    await damagedOne.close();
    expect(await readdir(path)).toContain("diverged");
    const { returning } = await returns(path);
    expect(returning?.lostEnd).toEqual({ index: 3, term: 1 });
    expect(await readdir(path)).not.toContain("diverged");
    expect(await databases(path)).toEqual(["db.1", "db.2", "mark.1", "mark.2"]);
  });

  it("is refused while it is open", async () => {
    const path = await filledDirectory();
    await setAside(path);
    const directory = await openN1(path);
    await expect(openN1(path)).rejects.toMatchObject({ code: "LOCKED" });
    await directory.close();
  });
});

describe("the generation of a directory", () => {
  async function returned(): Promise<string> {
    const path = await filledDirectory();
    await setAside(path);
    await returns(path, 2);
    return path;
  }

  it("is missed when there is a later database, lest the wrong one be used again", async () => {
    const path = await returned();
    await rm(join(path, "generation"));
    await expect(openN1(path)).rejects.toMatchObject({
      code: "DAMAGED",
      message: expect.stringContaining("but no"),
    });
  });

  it("is refused with any byte changed", async () => {
    const path = await returned();
    const file = join(path, "generation");
    const content = await readFile(file);
    for (const at of [0, 12, content.length - 1]) {
      const changed = Buffer.from(content);
      changed[at] = (changed[at] ?? 0) ^ 1;
      await writeFile(file, changed);
      await expect(openN1(path)).rejects.toMatchObject({ code: "DAMAGED" });
    }
  });

  it("of another directory is refused", async () => {
    const path = await returned();
    await cp(join(await returned(), "generation"), join(path, "generation"));
    await expect(openN1(path)).rejects.toMatchObject({ code: "FOREIGN" });
  });
});
