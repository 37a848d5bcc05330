import { constants } from "node:fs";
import {
  access,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  realpath,
  rm,
  stat,
  statfs,
  symlink,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BadFile, badFilesOf } from "./database-files.ts";
import { messageOf } from "./disk-errors.ts";
import { isThere } from "./durable-file.ts";
import type { KeyValueStore } from "./key-value-store.ts";
import { openLevelStore } from "./level-store.ts";
import { StorageError } from "./storage.ts";

export type CopyOutcome<Result> =
  | { readonly type: "read"; readonly result: Result }
  /** Another process has it open. */
  | { readonly type: "running" }
  /** It was not opened: LevelDB aborts the process over some damages. */
  | { readonly type: "bad"; readonly files: readonly BadFile[] }
  /** By what LevelDB says. */
  | { readonly type: "damaged"; readonly why: string }
  /** Nothing can be said of it. */
  | { readonly type: "unread"; readonly why: string };

/** They are LevelDB's own messages, or made by whoever opens it. */
const NOT_COPIED = new Set(["LOCK", "LOG", "LOG.old"]);

/**
 * Reads a LevelDB without changing a byte of it: to open one is to write into it, so a copy in the
 * temporary directory is opened, and removed afterwards. As long as that takes, the lock of the
 * original is held, so that no node starts on it meanwhile; where one runs, nothing is read.
 *
 * The lock is one of the process (fcntl), so this is for a process that runs no node itself: here a
 * node of its own would look as if there were none, and lose its lock.
 */
export async function readCopy<Result>(
  database: string,
  read: (store: KeyValueStore) => Promise<Result>,
): Promise<CopyOutcome<Result>> {
  let scratch: string | null = null;
  let lock: KeyValueStore | null = null;
  try {
    scratch = await mkdtemp(join(tmpdir(), "rollcall-copy-"));
    lock = await lockOf(database, join(scratch, "lock"));
    return await copied(database, join(scratch, "db"), read);
  } catch (error) {
    const code = error instanceof StorageError ? error.code : null;
    if (code === "LOCKED") return { type: "running" };
    const why = messageOf(error).replaceAll(join(scratch ?? "", "db"), database);
    return { type: code === "DAMAGED" ? "damaged" : "unread", why };
  } finally {
    await lock?.close();
    if (scratch !== null) await rm(scratch, { recursive: true, force: true });
  }
}

/**
 * Locks a LevelDB without opening it, `place` being a folder to be made for what that leaves; null
 * where it has no lock, or nobody can write to it. LevelDB locks the file that `LOCK` leads to, and
 * writes all else beside the link.
 *
 * @throws StorageError LOCKED.
 */
export async function lockOf(database: string, place: string): Promise<KeyValueStore | null> {
  const lock = join(database, "LOCK");
  if (!(await isThere(lock)) || (await isReadOnly(lock))) return null;
  await mkdir(place);
  await symlink(await realpath(lock), join(place, "LOCK"));
  return openLevelStore(place, { create: true });
}

/** Of a file system that is mounted so; then nobody has it open to write. */
async function isReadOnly(file: string): Promise<boolean> {
  try {
    await access(file, constants.W_OK);
    return false;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EROFS") return true;
    throw error;
  }
}

async function copied<Result>(
  database: string,
  copy: string,
  read: (store: KeyValueStore) => Promise<Result>,
): Promise<CopyOutcome<Result>> {
  const files = (await readdir(database)).filter((file) => !NOT_COPIED.has(file));
  await mkdir(copy);
  await checkRoom(database, files, copy);
  for (const file of files) {
    await copyFile(join(database, file), join(copy, file), constants.COPYFILE_FICLONE);
  }
  const bad = await badFilesOf(copy);
  if (bad.length > 0) return { type: "bad", files: bad };
  const store = await openLevelStore(copy, { create: false });
  try {
    return { type: "read", result: await read(store) };
  } finally {
    await store.close();
  }
}

/** LevelDB sorts what is in its log at once, so as much again may be written. */
async function checkRoom(database: string, files: readonly string[], copy: string): Promise<void> {
  const stats = await Promise.all(files.map((file) => stat(join(database, file))));
  const wanted = 2 * stats.reduce((sum, { size }) => sum + size, 0);
  const { bavail, bsize } = await statfs(copy);
  if (bavail * bsize >= wanted) return;
  throw new Error(
    `it is read from a copy, for which ${tmpdir()} lacks room (${wanted} bytes); TMPDIR names another place`,
  );
}
