import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { run } from "../../src/cli/program.ts";
import { nodeRandom } from "../../src/env/node-env.ts";
import { LINEAGE_REVISIONS } from "../../src/limits.ts";
import { RegistryBuilder } from "../../src/registry/builder.ts";
import { checkRevision } from "../../src/server/new-lineage.ts";
import { openDirectory } from "../../src/storage/directory.ts";
import { snapshotCodec } from "../../src/wire/snapshot-codec.ts";
import { captured } from "../cli/captured-world.ts";
import { temporaryDirectory } from "./world.ts";

const KEPT = fileURLToPath(new URL("../storage/backup-1/", import.meta.url));
const FILE = join(KEPT, "rollcall.snap");

let root: string;

beforeEach(async () => {
  root = await temporaryDirectory();
});

afterEach(() => rm(root, { recursive: true }));

async function snapshot(...args: string[]): Promise<Record<string, unknown>> {
  const { world, out, err } = captured(["snapshot", ...args, "-o", "json"], { cwd: root });
  expect([await run(world), err()]).toEqual([0, ""]);
  return JSON.parse(out()) as Record<string, unknown>;
}

/** It is never made again: a change that cannot read it wants a version 2, and reads both. */
describe("the kept snapshot file of version 1", () => {
  test("is read as it was written", async () => {
    const expected = JSON.parse(await readFile(join(KEPT, "expected.json"), "utf8")) as object;
    expect(await snapshot("inspect", FILE)).toMatchObject(expected);
  });

  test("is restored: of one member, behind its snapshot, with a revision of its own", async () => {
    const restored = await snapshot("restore", FILE, "--id", "n7", "--data", "new");
    expect(restored).toMatchObject({ instances: 3, sessions: 2, revision: LINEAGE_REVISIONS + 3 });
    const directory = await openDirectory(join(root, "new"), "n7", nodeRandom);
    const { loaded, storage } = await directory.open();
    const [chunk = new Uint8Array()] = await storage
      .chunks()
      [Symbol.asyncIterator]()
      .next()
      .then(({ value }) => [value as Uint8Array]);
    await directory.close();
    const { incarnation, name } = directory.identity;
    expect(directory.birth).toEqual({
      ...{ clusterId: String(restored["lineage"]).replace(".1", ""), epoch: 1, joinedIndex: 0 },
      members: [{ name, incarnation }],
    });
    expect(loaded).toMatchObject({
      ...{ hardState: { term: 1, vote: null }, logStart: { index: 8, term: 1 }, entries: [] },
      snapshot: { index: 8, term: 1, chunks: 1, conf: { voters: [incarnation] } },
    });
    const builder = new RegistryBuilder();
    for (const item of snapshotCodec.decodeChunk(chunk)) {
      builder.add(item);
    }
    const registry = builder.finish(loaded.snapshot?.digest ?? "");
    registry.checkInvariants();
    expect([...registry.sessions()].map(({ lastSeq }) => lastSeq)).toEqual([0, 0]);
  });
});

describe("the revision of a new lineage", () => {
  test("stays below 2^53, with room for as many changes as it was raised by", () => {
    const last = Number.MAX_SAFE_INTEGER - 2 * LINEAGE_REVISIONS;
    expect(() => checkRevision(last)).not.toThrow();
    expect(() => checkRevision(last + 1)).toThrow(/cannot be raised/);
    expect(Math.floor(last / LINEAGE_REVISIONS)).toBeGreaterThan(2_000_000);
  });
});
