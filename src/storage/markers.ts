import { lstat, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import {
  isThere,
  readIfThere,
  syncDirectory,
  writeAtomically,
  writeSynced,
} from "./durable-file.ts";
import { generationOfFile } from "./generation.ts";
import { DIRECTORY_FILES } from "./layout.ts";
import { OUTDATED_ADVICE, REMOVED_ADVICE, SUPERSEDED_ADVICE } from "./recovery-advice.ts";
import { StorageError } from "./storage.ts";

const { removed: REMOVED, outdated: OUTDATED } = DIRECTORY_FILES;
const { superseded: SUPERSEDED, unfinished: UNFINISHED } = DIRECTORY_FILES;
/** What the operating system counts blocks of a file in. */
const BLOCK = 512;

/** Of a directory that no start uses again, whatever else is in it. */
export async function checkNotOver(path: string): Promise<void> {
  // Its log may start from a snapshot that knows as little of it as of one who is yet to be added.
  const removed = await readIfThere(join(path, REMOVED));
  if (removed !== null) throw new StorageError("REMOVED", textIn(removed), REMOVED_ADVICE);
  const outdated = await readIfThere(join(path, OUTDATED));
  if (outdated !== null) throw new StorageError("DAMAGED", textIn(outdated), OUTDATED_ADVICE);
  const superseded = await readIfThere(join(path, SUPERSEDED));
  if (superseded !== null) {
    throw new StorageError("SUPERSEDED", textIn(superseded), SUPERSEDED_ADVICE);
  }
}

/** A restore or a recovery makes it, and has not come to its end. */
export async function checkFinished(path: string): Promise<void> {
  if (!(await isThere(join(path, UNFINISHED)))) return;
  throw new StorageError(
    "UNFINISHED",
    `${path} is not complete: a restore or a recovery into it was cut short`,
    "Run that command again; it begins anew. Nothing was ever started on this directory.",
  );
}

/** Its cluster goes on in a higher epoch, as `text` says to people, and without this directory. */
export async function supersede(path: string, text: string): Promise<void> {
  await writeAtomically(path, SUPERSEDED, Buffer.from(`${text}\n`, "utf8"));
}

/**
 * Sees to it that what comes is taken for half of it until `finish`. A directory in which this was
 * cut short is emptied of what that left.
 */
export async function beginMaking(path: string): Promise<void> {
  if (await isThere(join(path, UNFINISHED))) await removeOwnFiles(path);
  await writeSynced(join(path, UNFINISHED), new Uint8Array());
  await syncDirectory(path);
}

export async function finishMaking(path: string): Promise<void> {
  await rm(join(path, UNFINISHED));
  await syncDirectory(path);
}

export async function isUnfinished(path: string): Promise<boolean> {
  return isThere(join(path, UNFINISHED));
}

/** What `beginMaking` removes: the disk has that much more room for what is made. */
export async function leftoverBytes(path: string): Promise<number> {
  if (!(await isUnfinished(path))) return 0;
  let bytes = 0;
  for (const file of await leftovers(path)) {
    const below = await readdir(join(path, file), { recursive: true }).catch(() => []);
    for (const one of ["", ...below]) bytes += (await lstat(join(path, file, one))).blocks * BLOCK;
  }
  return bytes;
}

async function removeOwnFiles(path: string): Promise<void> {
  for (const file of await leftovers(path)) await rm(join(path, file), { recursive: true });
}

/** All but the marker, which says that nothing of them was ever used. */
async function leftovers(path: string): Promise<readonly string[]> {
  const ours = new Set<string>(Object.values(DIRECTORY_FILES));
  return (await readdir(path)).filter(
    (file) => file !== UNFINISHED && (ours.has(file) || generationOfFile(file) !== null),
  );
}

function textIn(content: Buffer): string {
  return content.toString("utf8").trim();
}
