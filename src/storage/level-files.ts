import { uncompress } from "snappyjs";
import { CRC32C_START, crc32c, crc32cStep } from "./crc32c.ts";
import { bufferOf } from "./layout.ts";

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
const FULL = 1;
const FIRST = 2;
const LAST = 4;
const RECORD_TYPE_MAX = LAST;
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
  let crc = CRC32C_START;
  for (let at = from; at + BLOCK_TRAILER_BYTES <= end; at += 1) {
    const byte = table[at] ?? 0;
    crc = crc32cStep(crc, byte);
    // A byte that may be the type of a block, with the checksum behind it.
    if (byte > BLOCK_TYPE_MAX || at + BLOCK_TRAILER_BYTES <= after) continue;
    if (table.readUInt32LE(at + 1) === masked(~crc >>> 0)) return at + BLOCK_TRAILER_BYTES;
  }
  return null;
}

/**
 * A log (`*.log`, `MANIFEST-*`). A crash leaves a record at the end that is not whole, and any part
 * of it may be missing; one behind which another one begins is damage, which LevelDB passes over
 * without a word.
 */
export function badPartOfLog(log: Buffer): BadPart | null {
  let bad: number | null = null;
  for (const { offset, type } of fragmentsOf(log)) {
    if (type === null) bad ??= offset;
    else if (bad !== null && (type === FULL || type === FIRST)) {
      return { offset: bad, text: "a record is not as it was written, and others follow it" };
    }
  }
  return null;
}

/** `type` null: it is not as it was written, and where the next one begins is a guess. */
interface Fragment {
  readonly offset: number;
  readonly type: number | null;
  readonly data: Buffer;
}

/** Of records that do not fit into what is left of a block, the next part is in the next one. */
function* fragmentsOf(log: Buffer): Generator<Fragment> {
  for (let block = 0; block < log.length; block += LOG_BLOCK_BYTES) {
    const end = Math.min(block + LOG_BLOCK_BYTES, log.length);
    let at = block;
    while (at + RECORD_HEAD_BYTES <= end) {
      const next = at + RECORD_HEAD_BYTES + log.readUInt16LE(at + 4);
      const isWhole = isRecord(log, at, next, end);
      const type = isWhole ? (log[at + 6] ?? null) : null;
      yield { offset: at, type, data: log.subarray(at + RECORD_HEAD_BYTES, next) };
      if (next > end) break;
      at = next;
    }
  }
}

/** The records of a log that are as they were written. */
export function* recordsOf(log: Buffer): Generator<Buffer> {
  let parts: Buffer[] | null = null;
  for (const { type, data } of fragmentsOf(log)) {
    if (type === FULL || type === FIRST) parts = [];
    if (type === null) parts = null;
    parts?.push(data);
    if ((type === FULL || type === LAST) && parts !== null) {
      yield Buffer.concat(parts);
      parts = null;
    }
  }
}

/**
 * The blocks of a table that are as they were written, those of its index and of its filters among
 * them. Where they are says the index; without it, they are found up to the first bad one.
 */
export function* blocksOfTable(table: Buffer): Generator<Buffer> {
  const end = table.length - FOOTER_BYTES;
  if (end < 0) return;
  const index = indexOf(table, end);
  const blocks = index === null ? foundBlocks(table, end) : indexedBlocks(index);
  for (const { offset: at, size: bytes } of blocks) {
    const content = isBlock(table, at, bytes) ? contentOf(table, at, bytes) : null;
    if (content !== null) yield content;
  }
}

interface Handle {
  readonly offset: number;
  readonly size: number;
}

function indexOf(table: Buffer, end: number): Buffer | null {
  const footer = new Reader(table, end);
  try {
    footer.handle();
    const { offset, size } = footer.handle();
    return isBlock(table, offset, size) ? contentOf(table, offset, size) : null;
  } catch {
    return null;
  }
}

function* indexedBlocks(index: Buffer): Generator<Handle> {
  for (const [, value] of pairsOfBlock(index)) {
    yield new Reader(value, 0).handle();
  }
}

function* foundBlocks(table: Buffer, end: number): Generator<Handle> {
  for (let at = 0; at < end; ) {
    const to = endOfBlock(table, at, at, end);
    if (to === null) return;
    yield { offset: at, size: to - at - BLOCK_TRAILER_BYTES };
    at = to;
  }
}

function isBlock(table: Buffer, offset: number, size: number): boolean {
  const typeAt = offset + size;
  if (typeAt + BLOCK_TRAILER_BYTES > table.length) return false;
  return table.readUInt32LE(typeAt + 1) === masked(crc32c(table, offset, typeAt + 1));
}

/** Null where it is compressed in a way that is not known here. */
function contentOf(table: Buffer, offset: number, size: number): Buffer | null {
  const bytes = table.subarray(offset, offset + size);
  switch (table[offset + size]) {
    case 0:
      return bytes;
    case 1:
      return bufferOf(uncompress<Uint8Array>(bytes));
    default:
      return null;
  }
}

/** Of a block: each key is told by how it differs from the one before. */
export function* pairsOfBlock(block: Buffer): Generator<readonly [key: Buffer, value: Buffer]> {
  const restarts = block.readUInt32LE(block.length - 4);
  const end = block.length - 4 * (restarts + 1);
  const reader = new Reader(block, 0);
  let key: Buffer = Buffer.alloc(0);
  while (reader.at < end) {
    const shared = reader.varint();
    const unshared = reader.varint();
    const bytes = reader.varint();
    key = Buffer.concat([key.subarray(0, shared), reader.bytes(unshared)]);
    yield [key, reader.bytes(bytes)];
  }
}

function isRecord(log: Buffer, at: number, next: number, end: number): boolean {
  const type = log[at + 6] ?? 0;
  if (next > end || type === 0 || type > RECORD_TYPE_MAX) return false;
  return log.readUInt32LE(at) === masked(crc32c(log, at + 6, next));
}

/** So that a checksum of bytes which contain checksums is a good one. */
function masked(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + MASK_DELTA) >>> 0;
}

/** Integers of LevelDB: seven bits a byte, the lowest first. */
export class Reader {
  readonly #source: Buffer;
  at: number;

  constructor(source: Buffer, at: number) {
    this.#source = source;
    this.at = at;
  }

  varint(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.#source[this.at];
      if (byte === undefined || scale > Number.MAX_SAFE_INTEGER) throw new RangeError("no integer");
      this.at += 1;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  }

  bytes(count: number): Buffer {
    if (this.at + count > this.#source.length) throw new RangeError("it ends too early");
    this.at += count;
    return this.#source.subarray(this.at - count, this.at);
  }

  handle(): Handle {
    return { offset: this.varint(), size: this.varint() };
  }
}
