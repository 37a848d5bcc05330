import {
  BATCH_HEAD_BYTES,
  endOfBlock,
  FIRST,
  FOOTER_BYTES,
  FULL,
  fragmentsOf,
  LOG_BLOCK_BYTES,
  recordsOf,
} from "./level-files.ts";

/**
 * Whether the files of a LevelDB are what was written, by the checksums that it puts into them and
 * does not look at when it reads its tables. Reads bytes, and changes nothing.
 */

/** `offset`: where the part begins that is not as it was written. */
export interface BadPart {
  readonly offset: number;
  readonly text: string;
}

const TABLE_MAGIC = 0xdb4775248b80fb57n;

/**
 * Of a table. The lengths of its blocks stand in the index, which is itself one of them and may be
 * compressed; a block ends where the checksum of what was read so far stands.
 */
export function badPartOfTable(table: Buffer): BadPart | null {
  return foundBy(lookForBadPart(table));
}

/** What a look comes to, without the breaks that it offers to whoever has something else to do. */
function foundBy(looking: Look): BadPart | null {
  for (;;) {
    const { done, value } = looking.next();
    if (done === true) return value;
  }
}

/** With a break behind each block. */
export type Look = Generator<void, BadPart | null>;

export function* lookForBadPart(table: Buffer): Look {
  const end = table.length - FOOTER_BYTES;
  if (end < 0 || table.readBigUInt64LE(table.length - 8) !== TABLE_MAGIC) {
    return { offset: Math.max(0, end), text: "the footer is not that of a table" };
  }
  let before = { from: 0, to: 0 };
  for (let at = 0; at < end; at = before.to) {
    yield;
    const to = endOfBlock(table, at, at, end);
    if (to !== null) {
      before = { from: at, to };
      continue;
    }
    // Four bytes in the middle of the block before may have looked like its checksum, once in 2^32.
    const later = endOfBlock(table, before.from, before.to, end);
    if (later === null) return { offset: at, text: "a block is not as it was written" };
    before.to = later;
  }
  return null;
}

/**
 * A log (`*.log`, `MANIFEST-*`). A crash leaves a record at the end that is not whole, and any part
 * of it may be missing; one behind which another one begins is damage, which LevelDB passes over
 * without a word.
 */
export function badPartOfLog(log: Buffer): BadPart | null {
  return foundBy(lookForBadRecord(log));
}

/** Of a log that is being written, a look at any moment sees a beginning: nothing is bad about that. */
export function* lookForBadRecord(log: Buffer): Look {
  let bad: number | null = null;
  let block = 0;
  for (const { offset, type } of fragmentsOf(log)) {
    if (offset >= block + LOG_BLOCK_BYTES) {
      block = offset;
      yield;
    }
    if (type === null) bad ??= offset;
    else if (bad !== null && (type === FULL || type === FIRST)) {
      return { offset: bad, text: "a record is not as it was written, and others follow it" };
    }
  }
  return null;
}

/**
 * A log of writes (`*.log`): each batch begins with the number that its first write has, which goes on
 * from those of the batch before. LevelDB aborts the process over a batch that it is given twice.
 */
export function badOrderOfLog(log: Buffer): string | null {
  let next: bigint | null = null;
  for (const batch of recordsOf(log)) {
    if (batch.length < BATCH_HEAD_BYTES) return "a batch is too short";
    const first = batch.readBigUInt64LE(0);
    if (next !== null && first !== next) return `write ${first} stands in the place of ${next}`;
    next = first + BigInt(batch.readUInt32LE(8));
  }
  return null;
}
