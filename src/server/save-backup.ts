import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { EXIT } from "../errors.ts";
import { BACKUP_TURN_MS_MAX, HTTP_SILENCE_MS_MAX } from "../limits.ts";
import { BackupError } from "../storage/backup-file.ts";
import { isThere, syncDirectory } from "../storage/durable-file.ts";
import { askStream } from "./ask-stream.ts";
import { type CheckedBackup, checkBackup, type OnBytes } from "./check-backup.ts";
import { configurationError, NodeError } from "./node-error.ts";

/** It has the hashes of all sessions' secrets. */
const PRIVATE = 0o600;

export interface SaveOptions {
  /** Of a node, as in `http://host:port`. */
  readonly origin: string;
  readonly file: string;
  /** It may take the place of a file that is there. */
  readonly isForced: boolean;
  /** With all that was acknowledged before. */
  readonly isLinearizable: boolean;
  /** For the first answer. */
  readonly timeoutMs: number;
  readonly onBytes: OnBytes;
}

/** What can be said before anybody is asked. Rejects with a NodeError. */
export async function checkTarget(file: string, isForced: boolean): Promise<void> {
  const directory = dirname(resolve(file));
  if (!(await isThere(directory))) {
    throw configurationError(`${directory} is not there`, "make it first, or name another place");
  }
  if (!isForced && (await isThere(file))) {
    throw new NodeError(
      EXIT.conflict,
      `${file} is there already`,
      "--force puts this in its place",
    );
  }
}

/**
 * Writes the state of a node to a file. It has another name until all of it is there, was found to
 * be whole by making the state of it, and is on disk; so there is no half of a backup, and one that
 * it takes the place of stays until then.
 *
 * Rejects with an Error whose message says why the node gave none.
 */
export async function saveBackup(options: SaveOptions): Promise<CheckedBackup> {
  const { origin, file, isLinearizable, timeoutMs, onBytes } = options;
  const query = isLinearizable ? "?read=linearizable" : "";
  const url = new URL(`/v1/snapshot${query}`, origin).href;
  // A node that has to finish something else first says nothing until then.
  const bytes = await askStream(url, timeoutMs + BACKUP_TURN_MS_MAX, HTTP_SILENCE_MS_MAX);
  const temporary = `${file}.tmp`;
  const handle = await open(temporary, "w", PRIVATE);
  try {
    const checked = await checkBackup(written(bytes, handle), onBytes);
    await handle.sync();
    await handle.close();
    await rename(temporary, file);
    await syncDirectory(dirname(resolve(file)));
    return checked;
  } catch (error) {
    await handle.close();
    await rm(temporary, { force: true });
    throw error instanceof BackupError && error.fault === "truncated"
      ? new Error("the node broke off before the end", { cause: error })
      : error;
  }
}

async function* written(
  source: AsyncIterable<Uint8Array>,
  handle: FileHandle,
): AsyncGenerator<Uint8Array, void, void> {
  for await (const bytes of source) {
    await handle.writeFile(bytes);
    yield bytes;
  }
}
