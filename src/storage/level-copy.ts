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

/** How far it is: `bytes` of `of`, which is null where nobody knows. */
export type OnCopyRead = (
  part: "copying" | "checking" | "reading",
  bytes: number,
  of: number | null,
) => void;

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
  onRead: OnCopyRead = () => {},
): Promise<CopyOutcome<Result>> {
  let scratch: string | null = null;
  let lock: KeyValueStore | null = null;
  try {
    scratch = await mkdtemp(join(tmpdir(), "rollcall-copy-"));
    lock = await lockOf(database, join(scratch, "lock"));
    return await copied(database, join(scratch, "db"), read, onRead);
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
  onRead: OnCopyRead,
): Promise<CopyOutcome<Result>> {
  const files = (await readdir(database)).filter((file) => !NOT_COPIED.has(file));
  await mkdir(copy);
  const sizes = await Promise.all(
    files.map(async (file) => (await stat(join(database, file))).size),
  );
  const all = sizes.reduce((sum, size) => sum + size, 0);
  await checkRoom(all, copy);
  let bytes = 0;
  for (const [at, file] of files.entries()) {
    await copyFile(join(database, file), join(copy, file), constants.COPYFILE_FICLONE);
    bytes += sizes[at] ?? 0;
    onRead("copying", bytes, all);
  }
  const bad = await badFilesOf(copy, (checked) => onRead("checking", checked, all));
  if (bad.length > 0) return { type: "bad", files: bad };
  const store = await openLevelStore(copy, { create: false });
  try {
    return { type: "read", result: await read(counted(store, onRead)) };
  } finally {
    await store.close();
  }
}

/** Tells how much of it was walked through; a log and a snapshot may each be walked more than once. */
function counted(store: KeyValueStore, onRead: OnCopyRead): KeyValueStore {
  let bytes = 0;
  return {
    get: (key) => store.get(key),
    edge: (range, end) => store.edge(range, end),
    batch: (operations) => store.batch(operations),
    compact: (range) => store.compact(range),
    close: () => store.close(),
    async *iterate(range) {
      for await (const record of store.iterate(range)) {
        bytes += record[0].length + record[1].length;
        onRead("reading", bytes, null);
        yield record;
      }
    },
  };
}

/** LevelDB sorts what is in its log at once, so as much again may be written. */
async function checkRoom(bytes: number, copy: string): Promise<void> {
  const wanted = 2 * bytes;
  const { bavail, bsize } = await statfs(copy);
  if (bavail * bsize >= wanted) return;
  throw new Error(
    `it is read from a copy, for which ${tmpdir()} lacks room (${wanted} bytes); TMPDIR names another place`,
  );
}
