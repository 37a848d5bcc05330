import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { readIfThere } from "./durable-file.ts";
import { BATCH_HEAD_BYTES, blocksOfTable, pairsOfBlock, Reader, recordsOf } from "./level-files.ts";

/** A write that stands somewhere in the files of a LevelDB, whether or not it is the last of its key. */
export interface SalvagedWrite extends Write {
  /** Where it stands, below the database. */
  readonly file: string;
}

interface Write {
  readonly key: Buffer;
  /** Null: a deletion. */
  readonly value: Buffer | null;
  /** Of two writes of a key the later one has the higher number. */
  readonly sequence: bigint;
}

const KEY_TRAILER_BYTES = 8;
const PUT = 1;

/**
 * Every write that can be read in the files of a LevelDB, in no order, without LevelDB: it does not
 * open what lacks one file, drops what stands behind a bad record, and aborts the process over some
 * bad tables. Which tables are in use says a file that may be missing, so all are read; what is out
 * of date has to be told by its content.
 *
 * @throws StorageError DISK when one cannot be read: what it has may be there the next time.
 */
export async function* salvageLevel(database: string): AsyncGenerator<SalvagedWrite> {
  for (const file of (await readdir(database)).sort()) {
    const isTable = /\.(?:ldb|sst)$/.test(file);
    if (!isTable && !/^\d+\.log$/.test(file)) continue;
    const content = await readIfThere(join(database, file));
    if (content === null) continue;
    const writes = isTable ? writesOfTable(content) : writesOfLog(content);
    for (const write of tolerant(writes)) yield { ...write, file };
  }
}

/** What has the right checksum and makes no sense all the same ends this file, and nothing else. */
function* tolerant(writes: Generator<Write>): Generator<Write> {
  try {
    yield* writes;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
}

function* writesOfTable(table: Buffer): Generator<Write> {
  for (const block of blocksOfTable(table)) {
    for (const [internal, value] of pairsOfBlock(block)) {
      const end = internal.length - KEY_TRAILER_BYTES;
      if (end < 0) throw new RangeError("a key is too short");
      const trailer = internal.readBigUInt64LE(end);
      const isPut = Number(trailer & 0xffn) === PUT;
      yield {
        key: internal.subarray(0, end),
        value: isPut ? value : null,
        sequence: trailer >> 8n,
      };
    }
  }
}

function* writesOfLog(log: Buffer): Generator<Write> {
  for (const batch of recordsOf(log)) {
    let sequence = batch.readBigUInt64LE(0);
    const reader = new Reader(batch, BATCH_HEAD_BYTES);
    while (reader.at < batch.length) {
      const [type] = reader.bytes(1);
      const key = reader.bytes(reader.varint());
      const value = type === PUT ? reader.bytes(reader.varint()) : null;
      yield { key, value, sequence };
      sequence += 1n;
    }
  }
}
