/**
 * `npm run format-1`: made the directories in `test/storage/format-1/`, of format version 1, and
 * what is in them, in `expected.json`. They are kept for ever as they are: every later Rollcall has
 * to open what the first one wrote. So this refuses where they are already; a later format gets a
 * story and a folder of its own beside these.
 *
 * n1 is the only voter, and was started twice: tables and a write-ahead file of LevelDB, a snapshot
 * of three chunks, a cut log, entries that took the place of others, a snapshot that is not
 * finished. n2 has joined, was set aside, and has again a part of the log that it had.
 *
 * Nothing of it is drawn by chance: incarnations and ids stand in `story.ts`. Only the order in
 * which LevelDB has merged its tables may make its MANIFEST another one.
 */
import { existsSync } from "node:fs";
import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { PersistRequest } from "../../../src/raft/types.ts";
import { type DataDirectory, openDirectory } from "../../../src/storage/directory.ts";
import type { LoadedLog } from "../../../src/storage/storage.ts";
import {
  ALONE,
  CLUSTER_ID,
  firstPart,
  lostEntries,
  N1,
  N2,
  SNAPSHOT_INDEX,
  Story,
  secondPart,
  snapshotOf,
} from "./story.ts";

type Parts = Partial<Omit<PersistRequest, "write">>;

const MEMBERS = [{ name: "n1", incarnation: N1 }];
const MEMBERSHIP = { clusterId: CLUSTER_ID, epoch: 1, members: MEMBERS };

async function openAs(path: string, name: string, incarnation: string): Promise<DataDirectory> {
  return openDirectory(path, name, { bytes: () => Buffer.from(incarnation, "hex") });
}

/** One start: opens it, carries out the writes, closes it. */
async function start(directory: DataDirectory, writes: readonly Parts[]): Promise<void> {
  const { storage } = await directory.open();
  for (const [at, parts] of writes.entries()) {
    const none = { hardState: null, entries: [], commitIndex: 0, snapshot: null };
    await storage.persist({ ...none, ...parts, write: at + 1 });
  }
  await directory.close();
}

async function makeN1(path: string): Promise<object> {
  const story = new Story();
  firstPart(story);
  const { snapshot, chunks } = snapshotOf(story);
  const early = [...story.entries];
  const directory = await openAs(path, "n1", N1);
  await directory.bear({ ...MEMBERSHIP, joinedIndex: 0 });
  const { identity, birth } = directory;
  await start(directory, [
    { hardState: { term: 1, vote: N1 }, entries: early.slice(0, 1) },
    { entries: early.slice(1, 4), commitIndex: 1 },
    { hardState: { term: 2, vote: null } },
    { hardState: { term: 2, vote: N1 }, entries: early.slice(4, 40), commitIndex: 4 },
  ]);
  secondPart(story);
  const later = story.entries.slice(SNAPSHOT_INDEX);
  const unfinished = { index: 68, nonce: 7 };
  await start(await openAs(path, "n1", N1), [
    { entries: early.slice(40), commitIndex: 40 },
    ...chunks.map((chunk, first) => ({ snapshot: stage(snapshot, first, chunk) })),
    { snapshot: { type: "switch", snapshot, chain: null } },
    { snapshot: { type: "cut", index: SNAPSHOT_INDEX - 3 } },
    { hardState: { term: 3, vote: N1 }, entries: lostEntries(), commitIndex: SNAPSHOT_INDEX },
    { hardState: { term: 5, vote: N1 }, entries: later.slice(0, 3), commitIndex: SNAPSHOT_INDEX },
    { entries: later.slice(3), commitIndex: 67 },
    { snapshot: stage(unfinished, 0, Buffer.from("of a snapshot that was not finished")) },
  ]);
  return {
    ...{ identity, birth, returning: null },
    ...described({
      hardState: { term: 5, vote: N1 },
      snapshot,
      logStart: { index: SNAPSHOT_INDEX - 3, term: 2 },
      entries: story.entries.slice(SNAPSHOT_INDEX - 3),
      commitIndex: 67,
    }),
    state: stateOf(story),
  };
}

function stage(
  { index, nonce }: { index: number; nonce: number },
  first: number,
  chunk: Uint8Array,
) {
  return { type: "stage", id: { index, nonce }, first, chunks: [chunk] } as const;
}

async function makeN2(path: string): Promise<object> {
  const story = new Story();
  story.noop(1);
  story.conf(1, ALONE);
  story.noop(2);
  const directory = await openAs(path, "n2", N2);
  await directory.bear({ ...MEMBERSHIP, joinedIndex: 2 });
  const { identity, birth } = directory;
  await directory.setAside("told to by the maker of this directory");
  const hardState = { term: 2, vote: N1 };
  await start(directory, [{ hardState, entries: story.entries, commitIndex: 2 }]);
  const again = story.entries.slice(0, 2);
  await start(await openAs(path, "n2", N2), [{ entries: again, commitIndex: 1 }]);
  const returning = { lostEnd: { index: 3, term: 2 }, members: ALONE.members };
  const logStart = { index: 0, term: 0 };
  return {
    ...{ identity, birth, returning },
    ...described({ hardState, snapshot: null, logStart, entries: again, commitIndex: 1 }),
    state: null,
  };
}

/** As `expected.json` has it. */
function described({ entries, ...loaded }: LoadedLog): object {
  return {
    ...loaded,
    conf: ALONE,
    mark: { index: entries.at(-1)?.index, term: entries.at(-1)?.term },
    entries: entries.map(({ data, ...entry }) => ({
      ...entry,
      data: Buffer.from(data).toString("hex"),
    })),
  };
}

function stateOf({ registry }: Story): object {
  const selectors = registry
    .applications("default")
    .map((application) => ({ namespace: "default", application, protocol: null, meta: [] }));
  return {
    revision: registry.revision,
    digest: registry.digest(),
    sessions: registry.sessionCount,
    instances: selectors.flatMap((selector) => registry.select(selector)),
  };
}

/** LevelDB makes these anew, and writes times into its LOG. */
async function removeLogs(path: string): Promise<void> {
  for (const file of await readdir(path, { recursive: true })) {
    if (/(?:^|[\\/])(?:LOG|LOG\.old|LOCK)$/.test(file)) await rm(join(path, file));
  }
}

async function main(): Promise<void> {
  const top = join("test", "storage", "format-1");
  if (existsSync(top)) throw new Error(`${top} is there already, and is kept as it is`);
  const n1 = await makeN1(join(top, "n1"));
  const n2 = await makeN2(join(top, "n2"));
  await removeLogs(top);
  await writeFile(join(top, "expected.json"), `${JSON.stringify({ n1, n2 }, null, 2)}\n`);
}

await main();
