import { crc32 } from "node:zlib";
import type { ConfState, Snapshot, SnapshotId } from "../raft/types.ts";
import type { KeyRange, KeyValueOperation } from "./key-value-store.ts";
import { bufferOf, type Chain, type LogPosition, readInteger, writeInteger } from "./layout.ts";
import { fieldOf, integerField, seal, textField, unseal } from "./sealed.ts";

/**
 * Snapshots in the database.
 *
 * | key | value |
 * |---|---|
 * | `s` + index (8 bytes) + nonce (8 bytes) + chunk (4 bytes) | crc32 (4 bytes) of the key and the data, then the data |
 * | `p` | sealed text: the current snapshot, the chain checksum at its index, where the log starts |
 *
 * A chunk belongs to the current snapshot only if `p` says so. What else stands under `s` is being
 * staged, or left over.
 */
export const CHUNK_KEYS: KeyRange = { from: Buffer.from("s"), to: Buffer.from("t") };
export const POINTER_KEY = Buffer.from("p");

/** In front of the data of a chunk. */
export const CHUNK_HEAD_BYTES = 4;

const CHUNK_KEY_PREFIX = 0x73;
const INDEX_AT = 1;
const NONCE_AT = 9;
const CHUNK_AT = 17;
const CHUNK_KEY_BYTES = 21;
const CHUNKS_MAX = 2 ** 32 - 1;

/** What `p` says. */
export interface Pointer {
  readonly snapshot: Snapshot;
  /** Of the log up to `snapshot.index`. */
  readonly chain: Chain;
  /** The log begins behind it; never past the snapshot, so that nothing is missing between them. */
  readonly logStart: LogPosition;
}

export function encodePointer(pointer: Pointer): KeyValueOperation {
  const { snapshot, chain, logStart } = pointer;
  const value = seal(POINTER_KEY.toString(), { snapshot, chain, logStart });
  return { type: "put", key: POINTER_KEY, value };
}

/** Null when it is not as it was written. */
export function decodePointer(bytes: Uint8Array): Pointer | null {
  const record = unseal(POINTER_KEY.toString(), bytes);
  const snapshot = snapshotOf(fieldOf(record, "snapshot"));
  const chain = textField(record, "chain");
  const logStart = positionOf(fieldOf(record, "logStart"));
  if (snapshot === null || chain === null || logStart === null) return null;
  return logStart.index <= snapshot.index ? { snapshot, chain, logStart } : null;
}

export function chunkKey({ index, nonce }: SnapshotId, chunk: number): Buffer {
  const key = Buffer.allocUnsafe(CHUNK_KEY_BYTES);
  key[0] = CHUNK_KEY_PREFIX;
  writeInteger(key, INDEX_AT, index);
  writeInteger(key, NONCE_AT, nonce);
  key.writeUInt32BE(chunk, CHUNK_AT);
  return key;
}

/** Null for a key that is not a chunk's. */
export function chunkOfKey(bytes: Uint8Array): { id: SnapshotId; chunk: number } | null {
  if (bytes.length !== CHUNK_KEY_BYTES || bytes[0] !== CHUNK_KEY_PREFIX) return null;
  const key = bufferOf(bytes);
  const index = readInteger(key, INDEX_AT);
  const nonce = readInteger(key, NONCE_AT);
  const chunk = key.readUInt32BE(CHUNK_AT);
  if (index === null || nonce === null || chunk === CHUNKS_MAX) return null;
  return { id: { index, nonce }, chunk };
}

/** The first `count` chunks of a snapshot; all that can be, unless given. */
export function chunkRange(id: SnapshotId, count = CHUNKS_MAX): KeyRange {
  return { from: chunkKey(id, 0), to: chunkKey(id, count) };
}

export function encodeChunk(id: SnapshotId, chunk: number, data: Uint8Array): KeyValueOperation {
  const key = chunkKey(id, chunk);
  const value = Buffer.allocUnsafe(CHUNK_HEAD_BYTES + data.length);
  value.set(data, CHUNK_HEAD_BYTES);
  value.writeUInt32BE(crc32(data, crc32(key)), 0);
  return { type: "put", key, value };
}

/** The data, not copied. Null when any byte of key or value is not as it was written. */
export function decodeChunk(key: Uint8Array, bytes: Uint8Array): Uint8Array | null {
  if (bytes.length < CHUNK_HEAD_BYTES) return null;
  const value = bufferOf(bytes);
  const data = new Uint8Array(
    value.buffer,
    value.byteOffset + CHUNK_HEAD_BYTES,
    value.length - CHUNK_HEAD_BYTES,
  );
  return value.readUInt32BE(0) === crc32(data, crc32(key)) ? data : null;
}

export function isSameSnapshot(a: SnapshotId, b: SnapshotId): boolean {
  return a.index === b.index && a.nonce === b.nonce;
}

function snapshotOf(record: unknown): Snapshot | null {
  const index = integerField(record, "index");
  const term = integerField(record, "term");
  const nonce = integerField(record, "nonce");
  const chunks = integerField(record, "chunks");
  const bytes = integerField(record, "bytes");
  const digest = textField(record, "digest");
  const conf = confOf(fieldOf(record, "conf"));
  if (index === null || term === null || nonce === null || conf === null) return null;
  if (chunks === null || bytes === null || digest === null) return null;
  return { index, term, conf, nonce, chunks, bytes, digest };
}

/** Complete, as it was given; what it means is Raft's to say. */
function confOf(record: unknown): ConfState | null {
  const lists = ["voters", "votersOutgoing", "learners"].map((list) => fieldOf(record, list));
  const members = fieldOf(record, "members");
  const isThere =
    lists.every((list) => Array.isArray(list) && list.every((id) => typeof id === "string")) &&
    Array.isArray(members) &&
    members.every((member) =>
      ["id", "name", "address"].every((field) => textField(member, field) !== null),
    );
  return isThere ? (record as ConfState) : null;
}

function positionOf(record: unknown): LogPosition | null {
  const index = integerField(record, "index");
  const term = integerField(record, "term");
  const chain = textField(record, "chain");
  return index === null || term === null || chain === null ? null : { index, term, chain };
}
