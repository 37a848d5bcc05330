import { dirname } from "node:path";
import { damaged } from "./damage.ts";
import { StorageError } from "./storage.ts";

/** A failed write, sync or read, for the operator. */
export function asStorageError(error: unknown, what: string): StorageError {
  if (error instanceof StorageError) return error;
  return new StorageError(
    "DISK",
    `${what}: ${messageOf(error)}`,
    "See to the disk (space, permissions, kernel log), then start the node again.",
    { cause: error },
  );
}

/** Why a LevelDB could not be opened. `path`: its own, in the data directory. */
export function openingError(path: string, error: unknown): StorageError {
  const message = `${path}: ${messageOf(error)}`;
  const code = causeCode(error);
  if (code === "LEVEL_LOCKED") return locked(path, error);
  // "IO error: …/MANIFEST-000004: No such file or directory" is a database without its files, and
  // "invalid argument", which has no code, is one without its CURRENT.
  const isIncomplete = message.includes("No such file") || message.includes("does not exist");
  if (code === "LEVEL_CORRUPTION" || isIncomplete) {
    return damaged(dirname(path), message, error);
  }
  return asStorageError(error, path);
}

function locked(path: string, cause: unknown): StorageError {
  return new StorageError(
    "LOCKED",
    `${path} is in use`,
    "Another node runs on this data directory. Stop it, or give this one another --data.",
    { cause },
  );
}

/** `level` wraps what went wrong in "Database failed to open". */
export function causeCode(error: unknown): string | undefined {
  const inner = innermost(error);
  return inner instanceof Error ? (inner as NodeJS.ErrnoException).code : undefined;
}

export function messageOf(error: unknown): string {
  const inner = innermost(error);
  return inner instanceof Error ? inner.message : String(inner);
}

function innermost(error: unknown): unknown {
  return error instanceof Error && error.cause !== undefined ? innermost(error.cause) : error;
}
