import { access, type FileHandle, mkdir, open, readFile, rename } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { BLOCK_BYTES } from "./block.ts";
import { asStorageError } from "./disk-errors.ts";
import type { BlockFile, FileSteps } from "./file-step.ts";

/**
 * Files as a crash leaves them. The content of a file is on disk after an fsync of the file, its
 * name only after an fsync of the directory that holds it.
 */

/** Node's own errors name a file only where it could not be opened. */
export interface OpenFile {
  readonly path: string;
  readonly handle: FileHandle;
}

async function named<Result>(path: string, act: () => Promise<Result>): Promise<Result> {
  try {
    return await act();
  } catch (error) {
    throw asStorageError(error, path);
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === code;
}

/** Null when there is no such file. */
export async function readIfThere(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path);
  } catch (error) {
    if (hasCode(error, "ENOENT")) return null;
    throw asStorageError(error, path);
  }
}

export async function isThere(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if (hasCode(error, "ENOENT")) return false;
    throw error;
  }
}

export async function syncDirectory(path: string): Promise<void> {
  // A directory cannot be opened on Windows, where NTFS journals names by itself.
  if (process.platform === "win32") return;
  const handle = await open(path, "r");
  try {
    await named(path, () => handle.sync());
  } finally {
    await handle.close();
  }
}

/** Makes a directory and those above it, names and all. */
export async function makeDirectory(path: string): Promise<void> {
  const target = resolve(path);
  const first = await mkdir(target, { recursive: true });
  if (first === undefined) return;
  for (let made = target; made.length >= first.length; made = dirname(made)) {
    await syncDirectory(dirname(made));
  }
}

/** A file of its own name, wholly there and synced, or not there. The directory is not synced. */
export async function writeSynced(path: string, content: Uint8Array): Promise<void> {
  const handle = await open(path, "w");
  try {
    await named(path, async () => {
      await handle.writeFile(content);
      await handle.sync();
    });
  } finally {
    await handle.close();
  }
}

/**
 * After any crash the file is there as a whole or (still) not. A file that is left over under the
 * temporary name is overwritten by the next attempt.
 */
export async function writeAtomically(
  directory: string,
  name: string,
  content: Uint8Array,
): Promise<void> {
  const temporary = join(directory, `${name}.tmp`);
  await writeSynced(temporary, content);
  await rename(temporary, join(directory, name));
  await syncDirectory(directory);
}

/** Rejects with the first failure, after which none of the steps is begun. */
export async function carryOut(
  steps: FileSteps,
  openOf: (file: BlockFile) => OpenFile,
): Promise<void> {
  for (const step of steps) {
    const { path, handle } = openOf(step.file);
    await named(path, async () => {
      if (step.type === "sync") await handle.datasync();
      else await overwrite(handle, step.content, step.block * BLOCK_BYTES);
    });
  }
}

/** In place; not synced. */
async function overwrite(handle: FileHandle, content: Buffer, at: number): Promise<void> {
  const { bytesWritten } = await handle.write(content, 0, content.length, at);
  if (bytesWritten !== content.length) {
    throw new Error(`wrote ${bytesWritten} of ${content.length} bytes`);
  }
}
