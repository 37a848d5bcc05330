import { access } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { run } from "../../src/cli/program.ts";
import { openDirectory } from "../../src/storage/directory.ts";
import {
  birthOf,
  entriesBetween,
  hardState,
  random,
  request,
  temporaryDirectory,
} from "../storage/fixture.ts";
import { captured } from "./captured-world.ts";

/** A closed directory of n1 in a cluster with so many others, with entries up to 3. */
async function stopped(others: number): Promise<string> {
  const path = join(await temporaryDirectory(), "n1");
  const directory = await openDirectory(path, "n1", random);
  const record = birthOf(directory);
  const more = Array.from({ length: others }, (_, at) => ({
    name: `n${at + 2}`,
    incarnation: `${at + 2}`.repeat(16),
  }));
  await directory.bear({ ...record, members: [...record.members, ...more] });
  const { storage } = await directory.open();
  const parts = { hardState: hardState(1), entries: entriesBetween(1, 3, 1) };
  await storage.persist(request(1, parts));
  await directory.close();
  return path;
}

async function discards(path: string, ...more: readonly string[]) {
  const { world, out, err } = captured(["discard-state", "--id", "n1", "--data", path, ...more]);
  return { exitCode: await run(world), out: out(), err: err() };
}

describe("discard-state", () => {
  test("has the next opening go without the log, and keeps what is there", async () => {
    const path = await stopped(1);
    expect(await discards(path)).toMatchObject({
      exitCode: 0,
      out: "n1 takes the state of the other members at its next start\n",
      err: `what it has is kept in ${path}\n`,
    });
    const directory = await openDirectory(path, "n1", random);
    expect(directory.returning?.lostEnd).toEqual({ index: 3, term: 1 });
    expect((await directory.open()).loaded.entries).toEqual([]);
    await access(join(path, "db"));
    await directory.close();
  });

  test("is said to programs as one value", async () => {
    const path = await stopped(1);
    const { out } = await discards(path, "-o", "jsonl");
    expect(JSON.parse(out)).toEqual({
      ...{ apiVersion: "v1", kind: "StateDiscarded" },
      ...{ node: "n1", dataDir: path },
    });
  });

  test("is refused to a node that has the only vote", async () => {
    const path = await stopped(0);
    expect(await discards(path)).toMatchObject({
      exitCode: 78,
      err: expect.stringContaining("n1 has the only vote in its cluster"),
    });
    const directory = await openDirectory(path, "n1", random);
    expect((await directory.open()).loaded.entries.length).toBe(3);
    await directory.close();
  });

  test("is refused to a node that runs, to another one, and where there is none", async () => {
    const path = await stopped(1);
    const directory = await openDirectory(path, "n1", random);
    expect((await discards(path)).exitCode).toBe(78);
    await directory.close();
    const other = captured(["discard-state", "--id", "n2", "--data", path]);
    expect(await run(other.world)).toBe(78);
    expect(other.err()).toContain("belongs to node n1");
    const nowhere = join(path, "none");
    expect((await discards(nowhere)).exitCode).toBe(78);
    await expect(access(nowhere)).rejects.toThrow("ENOENT");
  });

  test("wants to be told which node", async () => {
    const { world, err } = captured(["discard-state", "--id", "n1"]);
    expect(await run(world)).toBe(2);
    expect(err()).toContain("--id and --data");
  });
});
