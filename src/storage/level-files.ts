/**
 * Whether the files of a LevelDB are what was written, by the checksums that it puts into them and
 * does not look at when it reads its tables. Reads bytes, and changes nothing.
 */

/** `offset`: where the part begins that is not as it was written. */
export interface BadPart {
  readonly offset: number;
  readonly text: string;
}

const BLOCK_TRAILER_BYTES = 5;
/** Not compressed, or by one of two ways. */
const BLOCK_TYPE_MAX = 2;
const FOOTER_BYTES = 48;
const TABLE_MAGIC = 0xdb4775248b80fb57n;
const LOG_BLOCK_BYTES = 32 * 1024;
const RECORD_HEAD_BYTES = 7;
/** The middle of a record has 3. */
const RECORD_TYPE = { full: 1, first: 2, last: 4 } as const;
const RECORD_TYPE_MAX = 4;
const MASK_DELTA = 0xa282ead8;

/**
 * A table (`*.ldb`, `*.sst`): blocks one behind the other up to the footer, each followed by its
 * type and the CRC-32C of both. Their lengths stand in the index, which is itself one of them and
 * may be compressed; a block ends where the checksum of what was read so far stands.
 */
export function badPartOfTable(table: Buffer): BadPart | null {
  const end = table.length - FOOTER_BYTES;
  if (end < 0 || table.readBigUInt64LE(table.length - 8) !== TABLE_MAGIC) {
    return { offset: Math.max(0, end), text: "the footer is not that of a table" };
  }
  let before = { from: 0, to: 0 };
  for (let at = 0; at < end; at = before.to) {
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

/** The first that lies behind `after`. */
function endOfBlock(table: Buffer, from: number, after: number, end: number): number | null {
  let crc = 0xffffffff;
  for (let at = from; at + BLOCK_TRAILER_BYTES <= end; at += 1) {
    const byte = table[at] ?? 0;
    crc = step(crc, byte);
    // A byte that may be the type of a block, with the checksum behind it.
    if (byte > BLOCK_TYPE_MAX || at + BLOCK_TRAILER_BYTES <= after) continue;
    if (table.readUInt32LE(at + 1) === masked(~crc >>> 0)) return at + BLOCK_TRAILER_BYTES;
  }
  return null;
}

/**
 * A log (`*.log`, `MANIFEST-*`). A crash leaves a record at the end that is not whole; one that has
 * a whole record behind it is damage, which LevelDB passes over without a word.
 */
export function badPartOfLog(log: Buffer): BadPart | null {
  let bad: number | null = null;
  for (let block = 0; block < log.length; block += LOG_BLOCK_BYTES) {
    const end = Math.min(block + LOG_BLOCK_BYTES, log.length);
    let at = block;
    while (at + RECORD_HEAD_BYTES <= end) {
      const length = log.readUInt16LE(at + 4);
      const next = at + RECORD_HEAD_BYTES + length;
      if (isRecord(log, at, next, end)) {
        if (bad !== null) {
          return { offset: bad, text: "a record is not as it was written, and others follow it" };
        }
      } else {
        bad ??= at;
        if (next > end) break;
      }
      at = next;
    }
  }
  return null;
}

/** Its records up to the first that is not whole, each put together from its parts. */
export function* recordsIn(log: Buffer): Generator<Buffer, void, void> {
  let parts: Buffer[] = [];
  for (let block = 0; block < log.length; block += LOG_BLOCK_BYTES) {
    const end = Math.min(block + LOG_BLOCK_BYTES, log.length);
    for (let at = block; at + RECORD_HEAD_BYTES <= end; ) {
      const next = at + RECORD_HEAD_BYTES + log.readUInt16LE(at + 4);
      if (!isRecord(log, at, next, end)) return;
      const type = log[at + 6];
      if (type === RECORD_TYPE.full || type === RECORD_TYPE.first) parts = [];
      parts.push(log.subarray(at + RECORD_HEAD_BYTES, next));
      if (type === RECORD_TYPE.full || type === RECORD_TYPE.last) yield Buffer.concat(parts);
      at = next;
    }
  }
}

function isRecord(log: Buffer, at: number, next: number, end: number): boolean {
  const type = log[at + 6] ?? 0;
  if (next > end || type === 0 || type > RECORD_TYPE_MAX) return false;
  let crc = 0xffffffff;
  for (let place = at + 6; place < next; place += 1) crc = step(crc, log[place] ?? 0);
  return log.readUInt32LE(at) === masked(~crc >>> 0);
}

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc >>> 0;
});

/** CRC-32C, which zlib does not have. */
function step(crc: number, byte: number): number {
  return (crc >>> 8) ^ (TABLE[(crc ^ byte) & 0xff] ?? 0);
}

/** So that a checksum of bytes which contain checksums is a good one. */
function masked(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + MASK_DELTA) >>> 0;
}
