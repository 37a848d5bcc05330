import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { nodeRandom } from "../env/node-env.ts";
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
  const here = <Result>(step: Promise<Result>): Promise<Result> => ofFile(file, step);
  // Of its own: two that save to one file at once would write into the same.
  const temporary = `${file}.${Buffer.from(nodeRandom.bytes(4)).toString("hex")}.tmp`;
  const handle = await here(open(temporary, "wx", PRIVATE));
  try {
    const checked = await checkBackup(written(bytes, handle, here), onBytes);
    await here(handle.sync());
    await handle.close();
    await here(rename(temporary, file));
    await here(syncDirectory(dirname(resolve(file))));
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
  here: (step: Promise<void>) => Promise<void>,
): AsyncGenerator<Uint8Array, void, void> {
  for await (const bytes of source) {
    await here(handle.writeFile(bytes));
    yield bytes;
  }
}

/** What is wrong with the file is no fault of the node's. */
function ofFile<Result>(file: string, step: Promise<Result>): Promise<Result> {
  return step.catch((cause: unknown) => {
    const why = cause instanceof Error ? cause.message : String(cause);
    const hint = "see to the disk, or name another place";
    throw new NodeError(EXIT.disk, `${file} cannot be written: ${why}`, hint, { cause });
  });
}
