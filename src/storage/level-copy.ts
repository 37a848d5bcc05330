import { constants } from "node:fs";
import {
  access,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rm,
  stat,
  statfs,
  symlink,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { messageOf } from "./disk-errors.ts";
import { isThere, readIfThere } from "./durable-file.ts";
import type { KeyValueStore } from "./key-value-store.ts";
import { badPartOfLog, badPartOfTable } from "./level-files.ts";
import { tablesInUse } from "./level-manifest.ts";
import { openLevelStore } from "./level-store.ts";
import { StorageError } from "./storage.ts";

export interface BadFile {
  /** Below the database. */
  readonly file: string;
  readonly text: string;
}

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

/** LevelDB locks the file that `LOCK` leads to, and writes all else beside the link. */
async function lockOf(database: string, place: string): Promise<KeyValueStore | null> {
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
  const bad: BadFile[] = [];
  const inUse = await tablesOf(database);
  for (const file of files) {
    await copyFile(join(database, file), join(copy, file), constants.COPYFILE_FICLONE);
    const table = /^(\d+)\.(?:ldb|sst)$/.exec(file)?.[1];
    if (table !== undefined && inUse?.has(Number(table)) === false) continue;
    const text = badPartOf(file, await readFile(join(copy, file)));
    if (text !== null) bad.push({ file, text });
  }
  if (bad.length > 0) return { type: "bad", files: bad };
  const store = await openLevelStore(copy, { create: false });
  try {
    return { type: "read", result: await read(store) };
  } finally {
    await store.close();
  }
}

/** Null where it cannot be told: then all of them are. */
async function tablesOf(database: string): Promise<ReadonlySet<number> | null> {
  const current = (await readIfThere(join(database, "CURRENT")))?.toString("latin1").trim() ?? "";
  if (!/^MANIFEST-\d+$/.test(current)) return null;
  const manifest = await readIfThere(join(database, current));
  return manifest === null || badPartOfLog(manifest) !== null ? null : tablesInUse(manifest);
}

function badPartOf(file: string, content: Buffer): string | null {
  const isTable = /\.(?:ldb|sst)$/.test(file);
  const isLog = /^MANIFEST-\d+$|\.log$/.test(file);
  const bad = isTable ? badPartOfTable(content) : isLog ? badPartOfLog(content) : null;
  return bad === null ? null : `${bad.text} (from byte ${bad.offset} of ${content.length} on)`;
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
