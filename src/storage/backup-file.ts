import { createHash, type Hash } from "node:crypto";
import { crc32 } from "node:zlib";
import { BACKUP_RECORD_BYTES_MAX } from "../limits.ts";
import { ByteReader } from "./byte-reader.ts";
import { bufferOf } from "./layout.ts";
import { fieldOf, integerField, textField } from "./sealed.ts";

/**
 * A backup: the state of a cluster at one index, in a file that is good by itself.
 *
 * | bytes | what |
 * |---|---|
 * | 18 | `rollcall snapshot\n` |
 * | 4 | version of this format |
 * | … | records: one `h`, then `c` as often as there are chunks, then one `e` |
 * | 32 | SHA-256 of all that stands before |
 *
 * | bytes of a record | what |
 * |---|---|
 * | 4 | bytes of its data |
 * | 4 | CRC-32 of its kind and data |
 * | 1 | its kind, as a letter |
 * | … | data: JSON of `h` and `e`; of `c` what a chunk of a stored snapshot holds |
 *
 * Integers are big-endian. The checksums of the records say where a file is damaged, and let a
 * damaged one be refused before all of it was read; the SHA-256 says that nothing is missing, and
 * is what a copy of the file can be compared by.
 */
export const BACKUP_VERSION = 1;

const MAGIC = Buffer.from("rollcall snapshot\n", "latin1");
const RECORD_HEAD_BYTES = 9;
const SHA_BYTES = 32;

export interface BackupMember {
  readonly name: string;
  readonly id: string;
  readonly address: string | null;
  readonly membership: "voter" | "learner";
}

export interface BackupHeader {
  readonly clusterId: string;
  readonly epoch: number;
  /** Everything up to this entry of the log is in the state, and nothing behind it. */
  readonly index: number;
  readonly term: number;
  readonly revision: number;
  /** Of the state, 16 hex digits. */
  readonly digest: string;
  /** The last index at which a majority was known to have the state of the node; 0: none yet. */
  readonly agreedIndex: number;
  /** Who wrote it, and the Rollcall that it ran. */
  readonly node: string;
  readonly version: string;
  readonly takenAtMs: number;
  /** By how much the state may have been older than that; null where the node could not tell. */
  readonly ageMs: number | null;
  readonly instances: number;
  readonly sessions: number;
  /** For people: whoever restores it makes a cluster with members of its own. */
  readonly members: readonly BackupMember[];
}

export interface BackupEnd {
  readonly chunks: number;
  /** Of all chunks. */
  readonly bytes: number;
  /** 64 hex digits. */
  readonly sha256: string;
}

export type BackupRecord =
  | { readonly type: "header"; readonly header: BackupHeader }
  | { readonly type: "chunk"; readonly data: Uint8Array }
  | { readonly type: "end"; readonly end: BackupEnd };

/**
 * `foreign`: it is something else. `newer`: a later Rollcall wrote it. `truncated`: its end is
 * missing. `damaged`: it is not as it was written.
 */
export type BackupFault = "foreign" | "newer" | "truncated" | "damaged";

export class BackupError extends Error {
  override readonly name = "BackupError";
  readonly fault: BackupFault;

  constructor(fault: BackupFault, message: string) {
    super(message);
    this.fault = fault;
  }
}

/** Turns the parts of a backup into the bytes of its file, in order. */
export class BackupEncoder {
  readonly #hash = createHash("sha256");
  #chunks = 0;
  #bytes = 0;

  begin(header: BackupHeader): Buffer {
    const version = Buffer.alloc(4);
    version.writeUInt32BE(BACKUP_VERSION);
    return this.#hashed(Buffer.concat([MAGIC, version, record("h", json(header))]));
  }

  chunk(data: Uint8Array): Buffer {
    this.#chunks += 1;
    this.#bytes += data.length;
    return this.#hashed(record("c", data));
  }

  /** The last bytes. */
  end(): Buffer {
    const last = this.#hashed(record("e", json({ chunks: this.#chunks, bytes: this.#bytes })));
    return Buffer.concat([last, this.#hash.digest()]);
  }

  #hashed(bytes: Buffer): Buffer {
    this.#hash.update(bytes);
    return bytes;
  }
}

/**
 * The records of a backup, each checked before it is given out; the `end` comes once the SHA-256
 * was found to be right.
 *
 * @throws BackupError at the first thing that is wrong.
 */
export async function* readBackup(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<BackupRecord, void, void> {
  const hash = createHash("sha256");
  const reader = new ByteReader(source, (bytes) => hash.update(bytes));
  try {
    await readMagic(reader);
    const header = await readHeader(reader);
    yield { type: "header", header };
    let chunks = 0;
    let bytes = 0;
    for (;;) {
      const { kind, data } = await readRecord(reader);
      if (kind === "e") {
        checkEnd(data, chunks, bytes);
        break;
      }
      if (kind !== "c") throw damagedAt(reader, `a record of the unknown kind '${kind}'`);
      chunks += 1;
      bytes += data.length;
      yield { type: "chunk", data };
    }
    yield { type: "end", end: { chunks, bytes, sha256: await readSha(reader, hash) } };
  } finally {
    await reader.close();
  }
}

function record(kind: "h" | "c" | "e", data: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(RECORD_HEAD_BYTES + data.length);
  bytes.writeUInt32BE(data.length, 0);
  bytes.write(kind, 8, "latin1");
  bytes.set(data, RECORD_HEAD_BYTES);
  bytes.writeUInt32BE(crc32(bytes.subarray(8)), 4);
  return bytes;
}

async function readMagic(reader: ByteReader): Promise<void> {
  const head = await reader.take(MAGIC.length + 4);
  if (head === null) {
    const begun = reader.rest.subarray(0, MAGIC.length);
    throw begun.equals(MAGIC.subarray(0, begun.length)) ? cutOff(reader) : foreign();
  }
  const bytes = bufferOf(head);
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) throw foreign();
  const version = bytes.readUInt32BE(MAGIC.length);
  if (version === BACKUP_VERSION) return;
  throw new BackupError(
    "newer",
    `it has format ${version}; this Rollcall knows format ${BACKUP_VERSION}`,
  );
}

async function readHeader(reader: ByteReader): Promise<BackupHeader> {
  const { kind, data } = await readRecord(reader);
  const header = kind === "h" ? headerOf(parsed(data)) : null;
  if (header === null) throw damagedAt(reader, "its header is not one");
  return header;
}

async function readRecord(reader: ByteReader): Promise<{ kind: string; data: Uint8Array }> {
  const head = await reader.take(RECORD_HEAD_BYTES);
  if (head === null) throw cutOff(reader);
  const fields = bufferOf(head);
  const length = fields.readUInt32BE(0);
  const expected = fields.readUInt32BE(4);
  const kind = fields.toString("latin1", 8, 9);
  // A length that was damaged would have all that follows read as one record.
  if (length > BACKUP_RECORD_BYTES_MAX) throw damagedAt(reader, `a record of ${length} bytes`);
  const data = await reader.take(length);
  if (data === null) throw cutOff(reader);
  if (crc32(data, crc32(fields.subarray(8))) !== expected) {
    throw damagedAt(reader, "a record that is not as it was written, which ends");
  }
  return { kind, data };
}

function checkEnd(data: Uint8Array, chunks: number, bytes: number): void {
  const end = parsed(data);
  if (integerField(end, "chunks") === chunks && integerField(end, "bytes") === bytes) return;
  throw new BackupError("damaged", "chunks are missing from it");
}

async function readSha(reader: ByteReader, hash: Hash): Promise<string> {
  const sha256 = hash.copy().digest("hex");
  const stored = await reader.take(SHA_BYTES);
  if (stored === null) throw cutOff(reader);
  if (bufferOf(stored).toString("hex") !== sha256) {
    throw new BackupError("damaged", `its SHA-256 is ${sha256}, not the one that it ends with`);
  }
  if ((await reader.take(1)) !== null) throw damagedAt(reader, "more bytes behind its end,");
  return sha256;
}

function foreign(): BackupError {
  return new BackupError("foreign", "it is no snapshot of Rollcall");
}

function cutOff(reader: ByteReader): BackupError {
  return new BackupError("truncated", `its end is missing: it has ${reader.length} bytes`);
}

function damagedAt(reader: ByteReader, what: string): BackupError {
  return new BackupError("damaged", `${what} at byte ${reader.position}`);
}

function json(value: object): Buffer {
  return Buffer.from(JSON.stringify(value), "utf8");
}

function parsed(data: Uint8Array): unknown {
  try {
    return JSON.parse(bufferOf(data).toString("utf8"));
  } catch {
    return null;
  }
}

/** Null where anything is not what it should be. */
function headerOf(record: unknown): BackupHeader | null {
  const texts = ["clusterId", "digest", "node", "version"].map((name) => textField(record, name));
  const [clusterId, digest, node, version] = texts;
  const epoch = integerField(record, "epoch");
  const index = integerField(record, "index");
  const term = integerField(record, "term");
  const revision = integerField(record, "revision");
  const agreedIndex = integerField(record, "agreedIndex");
  const takenAtMs = integerField(record, "takenAtMs");
  const instances = integerField(record, "instances");
  const sessions = integerField(record, "sessions");
  const members = membersOf(fieldOf(record, "members"));
  if (clusterId == null || digest == null || node == null || version == null) return null;
  if (epoch === null || index === null || term === null || revision === null) return null;
  if (agreedIndex === null || takenAtMs === null || instances === null) return null;
  if (sessions === null || members === null) return null;
  return {
    ...{ clusterId, epoch, index, term, revision, digest, agreedIndex, node, version, takenAtMs },
    ...{ ageMs: integerField(record, "ageMs"), instances, sessions, members },
  };
}

function membersOf(value: unknown): readonly BackupMember[] | null {
  if (!Array.isArray(value)) return null;
  const members = (value as readonly unknown[]).map((item): BackupMember | null => {
    const name = textField(item, "name");
    const id = textField(item, "id");
    const membership = textField(item, "membership");
    if (name === null || id === null) return null;
    if (membership !== "voter" && membership !== "learner") return null;
    return { name, id, address: textField(item, "address"), membership };
  });
  return members.every((member) => member !== null) ? members : null;
}
