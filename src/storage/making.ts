import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { damaged } from "./damage.ts";
import { isThere, syncDirectory, writeAtomically, writeSynced } from "./durable-file.ts";
import { encodeIdentity } from "./identity.ts";
import type { KeyValueStore } from "./key-value-store.ts";
import { DIRECTORY_FILES, ENTRY_KEYS, FORMAT_VERSION, formatOperation } from "./layout.ts";
import { openLevelStore } from "./level-store.ts";
import { MarkFile } from "./mark-file.ts";
import { CHUNK_KEYS } from "./snapshot-layout.ts";
import { type Identity, StorageError } from "./storage.ts";
import { VoteFile } from "./vote-file.ts";

/** How a data directory comes to be; in which order, and why, says `openDirectory`. */

const { identity: IDENTITY, birth: BIRTH, mark: MARK } = DIRECTORY_FILES;
const { database: DATABASE, creating: CREATING, unfinished: UNFINISHED } = DIRECTORY_FILES;
const INCARNATION_BYTES = 8;
const USED_KEYS = [
  ["entries", ENTRY_KEYS],
  ["snapshots", CHUNK_KEYS],
] as const;

/** What `openDirectory` needs of chance. */
export interface DirectoryRandom {
  bytes(count: number): Uint8Array;
}

export async function ownFiles(path: string): Promise<string[]> {
  const ours = new Set<string>(Object.values(DIRECTORY_FILES));
  return (await readdir(path)).filter((entry) => ours.has(entry));
}

/** Sees to it that a crash from here on is taken for one, and draws the incarnation. */
export async function prepareToMake(
  path: string,
  name: string,
  random: DirectoryRandom,
): Promise<Identity> {
  const found = (await ownFiles(path)).filter((file) => file !== UNFINISHED);
  if (found.length > 0 && !found.includes(CREATING)) {
    throw damaged(path, `${path} has ${found.join(", ")} but no ${IDENTITY}`);
  }
  if (found.includes(BIRTH)) {
    throw damaged(path, `${path} was part of a cluster but has no ${IDENTITY}`);
  }
  await writeSynced(join(path, CREATING), new Uint8Array());
  await syncDirectory(path);
  const incarnation = Buffer.from(random.bytes(INCARNATION_BYTES)).toString("hex");
  return { formatVersion: FORMAT_VERSION, name, incarnation };
}

export async function makeContents(path: string, identity: Identity): Promise<KeyValueStore> {
  const { incarnation } = identity;
  const database = join(path, DATABASE);
  const store =
    (await openLeftover(database)) ?? (await openLevelStore(database, { create: true }));
  try {
    await checkStillUnmade(path, store);
    // Without a synced write, a power cut leaves a LevelDB that cannot be opened.
    await store.batch([formatOperation(incarnation)]);
    await syncDirectory(database);
    await VoteFile.create(path, incarnation);
    await MarkFile.create(join(path, MARK), incarnation);
    await syncDirectory(path);
    await writeAtomically(path, IDENTITY, encodeIdentity(identity));
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}

/**
 * The database that an interrupted making left, or null where there is none, or none that a power
 * cut let be whole. Rejects with LOCKED when the making is still going on.
 */
async function openLeftover(database: string): Promise<KeyValueStore | null> {
  if (!(await isThere(database))) return null;
  try {
    return await openLevelStore(database, { create: false });
  } catch (error) {
    if (!(error instanceof StorageError) || error.code !== "DAMAGED") throw error;
    await rm(database, { recursive: true, force: true });
    return null;
  }
}

/** Two starts found no identity; the other one made it and has ended before this one got the lock. */
async function checkStillUnmade(path: string, store: KeyValueStore): Promise<void> {
  const file = join(path, IDENTITY);
  if (await isThere(file)) {
    throw new StorageError("LOCKED", `${path} was made by another process`, "Start it again.");
  }
  await checkIsUnused(path, store, IDENTITY);
}

/**
 * Entries or a snapshot without the file that comes before them: it was lost, and must not be made
 * again. There is no pointer to a snapshot without its chunks.
 */
export async function checkIsUnused(
  path: string,
  store: KeyValueStore,
  lost: string,
): Promise<void> {
  for (const [what, keys] of USED_KEYS) {
    if ((await store.edge(keys, "first")) === null) continue;
    throw damaged(path, `${join(path, DATABASE)} has ${what} but there is no ${join(path, lost)}`);
  }
}
