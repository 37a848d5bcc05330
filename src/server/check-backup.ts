import { createReadStream } from "node:fs";
import { EXIT } from "../errors.ts";
import { RegistryBuilder } from "../registry/builder.ts";
import type { Registry } from "../registry/registry.ts";
import {
  type BackupEnd,
  BackupError,
  type BackupFault,
  type BackupHeader,
  readBackup,
} from "../storage/backup-file.ts";
import { must, unreachable } from "../util/assert.ts";
import { snapshotCodec } from "../wire/snapshot-codec.ts";
import { NodeError } from "./node-error.ts";

/** A backup that is whole, and the state that it holds. */
export interface CheckedBackup {
  readonly header: BackupHeader;
  readonly end: BackupEnd;
  readonly registry: Registry;
  /** Of the whole file. */
  readonly fileBytes: number;
}

/** How far it is: bytes of the file that were read. */
export type OnBytes = (bytes: number) => void;

/** Changes nothing. Rejects with a NodeError that names the file and says what is wrong with it. */
export async function checkBackupFile(path: string, onBytes: OnBytes): Promise<CheckedBackup> {
  try {
    return await checkBackup(createReadStream(path), onBytes);
  } catch (error) {
    throw asFileError(path, error);
  }
}

/**
 * Reads a backup to its end and makes its state, as a restore does: checksums say that it is as it
 * was written, the digest that this Rollcall makes of it what the one did that wrote it.
 *
 * @throws BackupError.
 */
export async function checkBackup(
  source: AsyncIterable<Uint8Array>,
  onBytes: OnBytes,
): Promise<CheckedBackup> {
  const counted = { bytes: 0 };
  let header: BackupHeader | null = null;
  let end: BackupEnd | null = null;
  const builder = new RegistryBuilder();
  for await (const record of readBackup(counting(source, counted, onBytes))) {
    switch (record.type) {
      case "header":
        header = record.header;
        break;
      case "chunk":
        meaningful(() => {
          for (const item of snapshotCodec.decodeChunk(record.data)) {
            builder.add(item);
          }
        });
        break;
      case "end":
        end = record.end;
        break;
      default:
        unreachable(record);
    }
  }
  const read = must(header, "a backup begins with its header");
  const registry = meaningful(() => builder.finish(read.digest));
  return {
    header: read,
    end: must(end, "it was read to its end"),
    registry,
    fileBytes: counted.bytes,
  };
}

async function* counting(
  source: AsyncIterable<Uint8Array>,
  counted: { bytes: number },
  onBytes: OnBytes,
): AsyncGenerator<Uint8Array, void, void> {
  for await (const bytes of source) {
    counted.bytes += bytes.length;
    onBytes(counted.bytes);
    yield bytes;
  }
}

/** What is in it went through its checksums: what cannot be read now was never right. */
function meaningful<Result>(read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new BackupError("damaged", `its bytes are as they were written, and no state: ${why}`);
  }
}

const WHAT: Readonly<Record<BackupFault, string>> = {
  foreign: "cannot be used",
  newer: "is of a later version",
  truncated: "is cut off",
  damaged: "is damaged",
};

const HINT: Readonly<Record<BackupFault, string>> = {
  foreign: "'rollcall snapshot save FILE' writes one",
  newer: "use the Rollcall that wrote it, or a newer one; it is not damaged",
  truncated: "take another copy of it: no part of it can be used alone",
  damaged: "take another copy of it, or an older one: no part of it can be used alone",
};

function asFileError(path: string, error: unknown): unknown {
  if (error instanceof BackupError) {
    const { fault, message } = error;
    const exitCode = fault === "newer" ? EXIT.configuration : EXIT.failure;
    return new NodeError(exitCode, `${path} ${WHAT[fault]}: ${message}`, HINT[fault]);
  }
  const { code } = error as NodeJS.ErrnoException;
  if (code === undefined) {
    return error;
  }
  const isAbsent = code === "ENOENT";
  const why = isAbsent ? "there is no such file" : (error as Error).message;
  return new NodeError(isAbsent ? EXIT.notFound : EXIT.failure, `${path}: ${why}`);
}
