import { uncompress } from "snappyjs";
import { CRC32C_START, crc32c, crc32cStep } from "./crc32c.ts";
import { bufferOf } from "./layout.ts";

/**
 * What stands in the files of a LevelDB, read without it (its `doc/table_format.md`, `doc/log_format.md`).
 * A table (`*.ldb`, `*.sst`) is blocks one behind the other up to the footer, each followed by its type
 * and the CRC-32C of both; where they begin stands in the index, which is one of them. A log (`*.log`,
 * `MANIFEST-*`) is records in blocks of 32 KiB.
 */

const BLOCK_TRAILER_BYTES = 5;
/** Not compressed, or by one of two ways. */
const BLOCK_TYPE_MAX = 2;
export const FOOTER_BYTES = 48;
export const LOG_BLOCK_BYTES = 32 * 1024;
const RECORD_HEAD_BYTES = 7;
export const FULL = 1;
export const FIRST = 2;
const LAST = 4;
const RECORD_TYPE_MAX = LAST;
/** Of a batch: the number of its first write, and how many there are. */
export const BATCH_HEAD_BYTES = 12;
const MASK_DELTA = 0xa282ead8;

/** The end of the block at `from`, trailer included: the first that lies behind `after`. */
export function endOfBlock(table: Buffer, from: number, after: number, end: number): number | null {
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

/** `type` null: it is not as it was written, and where the next one begins is a guess. */
interface Fragment {
  readonly offset: number;
  readonly type: number | null;
  readonly data: Buffer;
}

/** Of records that do not fit into what is left of a block, the next part is in the next one. */
export function* fragmentsOf(log: Buffer): Generator<Fragment> {
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

/**
 * The first and the last key of a table, with their sequences; null where its blocks do not lie one
 * behind the other as the index says, so that LevelDB would take one for another.
 */
export function rangeOfTable(
  table: Buffer,
): { readonly first: Buffer; readonly last: Buffer } | null {
  const index = indexOf(table, table.length - FOOTER_BYTES);
  if (index === null) return null;
  const handles = [...indexedBlocks(index)];
  let at = 0;
  for (const { offset, size } of handles) {
    if (offset !== at || !isBlock(table, offset, size)) return null;
    at += size + BLOCK_TRAILER_BYTES;
  }
  const [head, tail] = [handles[0], handles.at(-1)].map((handle) =>
    handle === undefined ? null : contentOf(table, handle.offset, handle.size),
  );
  const first = head == null ? undefined : [...pairsOfBlock(head)][0];
  const last = tail == null ? undefined : [...pairsOfBlock(tail)].at(-1);
  return first === undefined || last === undefined ? null : { first: first[0], last: last[0] };
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
