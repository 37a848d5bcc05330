import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { isThere, syncDirectory, writeAtomically } from "./durable-file.ts";
import {
  databaseOf,
  encodeGeneration,
  type Generation,
  generationOfFile,
  markOf,
} from "./generation.ts";
import type { KeyValueStore } from "./key-value-store.ts";
import { DIRECTORY_FILES, formatOperation, LOG_START } from "./layout.ts";
import { openLevelStore } from "./level-store.ts";
import { MarkFile } from "./mark-file.ts";

/** How a directory goes over from one database to the next: `storeGeneration` is the switch. */

export async function storeGeneration(
  path: string,
  generation: Generation,
  incarnation: string,
): Promise<void> {
  await writeAtomically(
    path,
    DIRECTORY_FILES.generation,
    encodeGeneration(generation, incarnation),
  );
}

/** Nobody refers to it yet. `votes`: as often the vote was written by now. */
export async function makeGeneration(
  path: string,
  incarnation: string,
  number: number,
  votes: number,
): Promise<KeyValueStore> {
  const database = join(path, databaseOf(number));
  const store = await openLevelStore(database, { create: true });
  try {
    // Without a synced write, a power cut leaves a LevelDB that cannot be opened.
    await store.batch([formatOperation(incarnation)]);
    await syncDirectory(database);
    await MarkFile.create(join(path, markOf(number)), incarnation, { position: LOG_START, votes });
    await syncDirectory(path);
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}

/**
 * The database of a later generation that has been in use, or null: then the file `generation` is
 * older than it, and n1 would start on a log that it has given up. A crash leaves only such that no
 * start has read, and nobody has vouched for.
 */
export async function laterInUse(
  path: string,
  incarnation: string,
  { number }: Generation,
): Promise<string | null> {
  for (const file of await readdir(path)) {
    const later = generationOfFile(file);
    if (later === null || later <= number || file !== markOf(later)) continue;
    const mark = await MarkFile.read(join(path, file), incarnation);
    if (mark?.isInUse === true) return databaseOf(later);
  }
  return null;
}

/** Databases and marks; for good. */
export async function removeGenerations(
  path: string,
  isUnwanted: (number: number) => boolean,
): Promise<void> {
  for (const file of await readdir(path)) {
    const number = generationOfFile(file);
    if (number === null || !isUnwanted(number)) continue;
    await rm(join(path, file), { recursive: true, force: true });
  }
}

/** The database that was in use before, where it is still there. */
export async function setAsideDatabase(
  path: string,
  { number }: Generation,
): Promise<string | null> {
  const former = join(path, databaseOf(number - 1));
  return number > 0 && (await isThere(former)) ? former : null;
}
