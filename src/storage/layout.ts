import { hash } from "node:crypto";
import { crc32 } from "node:zlib";
import type { Entry, EntryKind, LogIndex, Term } from "../raft/types.ts";
import { assert } from "../util/assert.ts";
import type { KeyValueOperation } from "./key-value-store.ts";
import { integerField, seal, textField, unseal } from "./sealed.ts";

/**
 * What a data directory holds.
 *
 * | file | content | written |
 * |---|---|---|
 * | `identity` | format version, name, incarnation | once, when the directory is made |
 * | `birth` | cluster id, epoch, first members, index of the join | once, by a birth or a join |
 * | `vote-a`, `vote-b` | term and vote, twice | one after the other, synced, before anything vouches |
 * | `mark` | how far the log was synced | written and synced every `MARK_SYNC_MS` |
 * | `db/` | a LevelDB, keys below | one synced batch an append |
 * | `creating` | nothing | exists only while the directory is being made |
 * | `removed` | text for people | its member was removed from the cluster: it is not used again |
 * | `outdated` | text for people | it is older than what its member has acknowledged: it is not used again |
 * | `superseded` | text for people | when its cluster has gone on in a higher epoch: it is not used again |
 * | `unfinished` | nothing | exists only while a restore or a recovery makes the directory |
 * | `diverged` | text for people | when the state was found not to be the majority's; goes at the next start |
 * | `generation` | which `db` and `mark` are in use, how the log before them ended | by that start, and when the member is back |
 * | `reserve` | random bytes | while there is room; given back when the disk is full |
 * | `db.1/`, `mark.1` | as `db/` and `mark`, of the next generation | from then on |
 *
 * The database's keys sort by their first byte:
 *
 * | key | value |
 * |---|---|
 * | `e` + index (8 bytes) | an entry, see below |
 * | `m/format` | sealed text: format version, incarnation of the directory; once a start |
 * | `p` | pointer to the current snapshot, see `snapshot-layout.ts` |
 * | `s` + … | chunks of snapshots, see there |
 *
 * The value of an entry, integers big-endian:
 *
 * | offset | bytes | field |
 * |---|---|---|
 * | 0 | 4 | crc32 of the key and of bytes 4 to 52 |
 * | 4 | 8 | commit index known when it was written (differs from node to node) |
 * | 12 | 8 | chain checksum of this entry |
 * | 20 | 8 | chain checksum of the entry before |
 * | 28 | 8 | index |
 * | 36 | 8 | term |
 * | 44 | 8 | kind |
 * | 52 | … | data, the bytes that Raft carries, as they are |
 *
 * The chain checksum is the first 64 bits of the SHA-256 of bytes 20 to the end. It therefore
 * depends on every byte of every entry before, is the same on every node that holds the same log,
 * and lets an entry be proved by its successor or by the mark alone. It also is the checksum of
 * the data, which the crc does not cover a second time.
 *
 * The commit index stands in the entries and not in a key of its own: a key that every batch
 * overwrites makes the tables of LevelDB overlap and be merged (3.15 bytes written a byte instead
 * of 2.05, at 64 KiB an entry).
 */
export const FORMAT_VERSION = 1;

/** 16 hex digits. */
export type Chain = string;

/** An entry, told by what it and everything before it contains. */
export interface LogPosition {
  readonly index: LogIndex;
  readonly term: Term;
  readonly chain: Chain;
}

/** Before the first entry. */
export const LOG_START: LogPosition = { index: 0, term: 0, chain: "0".repeat(16) };

export const DIRECTORY_FILES = {
  identity: "identity",
  birth: "birth",
  voteA: "vote-a",
  voteB: "vote-b",
  mark: "mark",
  database: "db",
  creating: "creating",
  diverged: "diverged",
  removed: "removed",
  outdated: "outdated",
  superseded: "superseded",
  unfinished: "unfinished",
  generation: "generation",
  reserve: "reserve",
} as const;

/** Everything between these, from the first to before the second, is an entry. */
export const ENTRY_KEYS = { from: Buffer.from("e"), to: Buffer.from("f") } as const;
export const FORMAT_KEY = Buffer.from("m/format");

const ENTRY_KEY_BYTES = 9;
const ENTRY_KEY_PREFIX = 0x65;
const COMMIT_AT = 4;
const CHAIN_AT = 12;
const PREVIOUS_AT = 20;
const INDEX_AT = 28;
const TERM_AT = 36;
const KIND_AT = 44;
const DATA_AT = 52;

/** On disk for ever: a number is never given a second meaning. */
const KIND_NUMBERS: Readonly<Record<EntryKind, number>> = { noop: 0, commands: 1, conf: 2 };
const KINDS = new Map<number, EntryKind>(
  (Object.keys(KIND_NUMBERS) as EntryKind[]).map((kind) => [KIND_NUMBERS[kind], kind]),
);

export function entryKey(index: LogIndex): Buffer {
  const key = Buffer.allocUnsafe(ENTRY_KEY_BYTES);
  key[0] = ENTRY_KEY_PREFIX;
  writeInteger(key, 1, index);
  return key;
}

/** Null for a key that is not an entry's. */
export function indexOfKey(key: Uint8Array): LogIndex | null {
  if (key.length !== ENTRY_KEY_BYTES || key[0] !== ENTRY_KEY_PREFIX) return null;
  return readInteger(bufferOf(key), 1);
}

export interface EncodedEntry {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly position: LogPosition;
}

/** `previous` is the chain checksum of the entry before, or of where the log starts. */
export function encodeEntry(entry: Entry, previous: Chain, commitIndex: LogIndex): EncodedEntry {
  const key = entryKey(entry.index);
  const value = Buffer.allocUnsafe(DATA_AT + entry.data.length);
  value.write(previous, PREVIOUS_AT, "hex");
  writeInteger(value, INDEX_AT, entry.index);
  writeInteger(value, TERM_AT, entry.term);
  writeInteger(value, KIND_AT, KIND_NUMBERS[entry.kind]);
  value.set(entry.data, DATA_AT);
  const chain = chainOf(value);
  writeInteger(value, COMMIT_AT, commitIndex);
  value.write(chain, CHAIN_AT, "hex");
  value.writeUInt32BE(headChecksum(key, value), 0);
  return { key, value, position: { index: entry.index, term: entry.term, chain } };
}

export interface DecodedEntry {
  readonly entry: Entry;
  readonly position: LogPosition;
  readonly previous: Chain;
  readonly commitIndex: LogIndex;
}

/** Null when any byte of key or value is not as it was written. The data is not copied. */
export function decodeEntry(key: Uint8Array, bytes: Uint8Array): DecodedEntry | null {
  const value = bufferOf(bytes);
  if (value.length < DATA_AT || value.readUInt32BE(0) !== headChecksum(key, value)) return null;
  const chain = value.toString("hex", CHAIN_AT, PREVIOUS_AT);
  if (chain !== chainOf(value)) return null;
  const index = readInteger(value, INDEX_AT);
  const term = readInteger(value, TERM_AT);
  const commitIndex = readInteger(value, COMMIT_AT);
  const kind = KINDS.get(readInteger(value, KIND_AT) ?? -1);
  if (index === null || index !== indexOfKey(key)) return null;
  if (term === null || commitIndex === null || kind === undefined) return null;
  const data = new Uint8Array(value.buffer, value.byteOffset + DATA_AT, value.length - DATA_AT);
  return {
    entry: { index, term, kind, data },
    position: { index, term, chain },
    previous: value.toString("hex", PREVIOUS_AT, INDEX_AT),
    commitIndex,
  };
}

/** Of the value alone, which says under which key it was written. */
export function decodeStored(bytes: Uint8Array): DecodedEntry | null {
  const value = bufferOf(bytes);
  const index = value.length < DATA_AT ? null : readInteger(value, INDEX_AT);
  return index === null ? null : decodeEntry(entryKey(index), value);
}

/** Whose database this is, so that a `db/` copied from another directory is not taken for ours. */
export interface DatabaseFormat {
  readonly formatVersion: number;
  readonly incarnation: string;
}

export function encodeFormat(format: DatabaseFormat): Buffer {
  return seal(FORMAT_KEY.toString(), format);
}

/** The first record of a database, and the synced write of every start. */
export function formatOperation(incarnation: string): KeyValueOperation {
  const value = encodeFormat({ formatVersion: FORMAT_VERSION, incarnation });
  return { type: "put", key: FORMAT_KEY, value };
}

export function decodeFormat(bytes: Uint8Array): DatabaseFormat | null {
  const record = unseal(FORMAT_KEY.toString(), bytes);
  const formatVersion = integerField(record, "formatVersion");
  const incarnation = textField(record, "incarnation");
  return formatVersion === null || incarnation === null ? null : { formatVersion, incarnation };
}

function chainOf(value: Buffer): Chain {
  return hash("sha256", value.subarray(PREVIOUS_AT), "hex").slice(0, 16);
}

function headChecksum(key: Uint8Array, value: Buffer): number {
  return crc32(value.subarray(COMMIT_AT, DATA_AT), crc32(key));
}

/** The same bytes, not copied. */
export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** In 8 bytes, big-endian. */
export function writeInteger(target: Buffer, at: number, value: number): void {
  assert(Number.isSafeInteger(value) && value >= 0, () => `cannot store the integer ${value}`);
  target.writeUInt32BE(Math.floor(value / 2 ** 32), at);
  target.writeUInt32BE(value % 2 ** 32, at + 4);
}

/** Null at 2^53 and beyond, which nothing of ours ever writes. */
export function readInteger(source: Buffer, at: number): number | null {
  const value = source.readUInt32BE(at) * 2 ** 32 + source.readUInt32BE(at + 4);
  return Number.isSafeInteger(value) ? value : null;
}
