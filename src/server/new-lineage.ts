import { createHash } from "node:crypto";
import { nodeRandom } from "../env/node-env.ts";
import { LINEAGE_REVISIONS, SNAPSHOT_CHUNK_BYTES } from "../limits.ts";
import { confOf } from "../raft/conf-state.ts";
import type { HardState, Snapshot, SnapshotWrite } from "../raft/types.ts";
import type { Registry } from "../registry/registry.ts";
import { nextChunk } from "../replica/chunks.ts";
import { type DataDirectory, isUnmade, openDirectory } from "../storage/directory.ts";
import { makeDirectory } from "../storage/durable-file.ts";
import { beginMaking, finishMaking, isUnfinished } from "../storage/markers.ts";
import type { Storage } from "../storage/storage.ts";
import { assert } from "../util/assert.ts";
import { snapshotCodec } from "../wire/snapshot-codec.ts";
import type { OnBytes } from "./check-backup.ts";
import { asNodeError, configurationError } from "./node-error.ts";
import { isMemberName } from "./operation-page.ts";
import { storedRegistry } from "./stored-registry.ts";

export interface NewLineage {
  readonly clusterId: string;
  readonly epoch: number;
  /** The last entry of the log that the state was made by: the new log begins behind it. */
  readonly index: number;
  readonly term: number;
  /** No vote was given in a later term. */
  readonly hardTerm: number;
}

const NONCE_BOUND = 2 ** 48;
const CHAIN_DIGITS = 16;

/** What the directory is to be made in holds nothing of a node. Rejects with a NodeError. */
export async function checkPlace(dataDir: string, name: string): Promise<void> {
  if (!isMemberName(name)) {
    throw configurationError(`${name} is no name of a node`, "letters, digits, '.', '_' and '-'");
  }
  try {
    if ((await isUnmade(dataDir)) || (await isUnfinished(dataDir))) {
      return;
    }
  } catch (error) {
    throw asNodeError(error);
  }
  throw configurationError(
    `${dataDir} is the data directory of a node already`,
    "give an empty one, or one that is not there; what is in this one may still be needed",
  );
}

/** A state whose revision cannot be raised once more is used up. Rejects with a NodeError. */
export function checkRevision(revision: number): void {
  if (revision > Number.MAX_SAFE_INTEGER - 2 * LINEAGE_REVISIONS) {
    throw configurationError(
      `revision ${revision} cannot be raised by ${LINEAGE_REVISIONS} once more`,
      "begin a new cluster, and register again what is persistent",
    );
  }
}

/** Of the snapshot that `makeLineage` writes of it. */
export function stateBytesOf(registry: Registry): number {
  let bytes = 0;
  for (const { length } of chunksOf(registry)) bytes += length;
  return bytes;
}

/**
 * Makes a data directory of a cluster of one member, whose state is `registry`: one that was made the
 * first of its lineage (`beginLineage`). Its log begins behind a snapshot of that state, so there is no history: whatever a
 * watch says that it has seen, it is given all anew.
 *
 * The file `unfinished` is there until all of it is on disk and was read back. Cut short before, a
 * node does not start on it, and the same command begins anew.
 *
 * Why index and terms go on where the log was, though it is another one: tombstones and openings
 * are compared by index, and nothing has to be renumbered for a log that begins at 70 rather than 0.
 */
export async function makeLineage(
  dataDir: string,
  name: string,
  registry: Registry,
  lineage: NewLineage,
  onBytes: OnBytes,
): Promise<{ readonly incarnation: string }> {
  try {
    await makeDirectory(dataDir);
    await beginMaking(dataDir);
    const incarnation = await filled(dataDir, name, registry, lineage, onBytes);
    await checkMade(dataDir, name, registry.digest());
    await finishMaking(dataDir);
    return { incarnation };
  } catch (error) {
    throw asNodeError(error);
  }
}

async function filled(
  dataDir: string,
  name: string,
  registry: Registry,
  lineage: NewLineage,
  onBytes: OnBytes,
): Promise<string> {
  const directory = await openDirectory(dataDir, name, nodeRandom, true);
  try {
    const { incarnation } = directory.identity;
    const { clusterId, epoch } = lineage;
    const members = [{ name, incarnation }];
    await directory.bear({ clusterId, epoch, members, joinedIndex: 0 });
    const { storage } = await directory.open();
    await writeState(storage, directory, registry, lineage, onBytes);
    return incarnation;
  } finally {
    await directory.close();
  }
}

async function writeState(
  storage: Storage,
  { identity }: DataDirectory,
  registry: Registry,
  lineage: NewLineage,
  onBytes: OnBytes,
): Promise<void> {
  const { index, term, hardTerm } = lineage;
  let write = 0;
  const persist = async (snapshot: SnapshotWrite, hardState: HardState | null) => {
    write += 1;
    await storage.persist({ write, hardState, entries: [], commitIndex: 0, snapshot });
  };
  const id = { index, nonce: nodeRandom.below(NONCE_BOUND) };
  const digest = registry.digest();
  let chunks = 0;
  let bytes = 0;
  for (const data of chunksOf(registry)) {
    await persist({ type: "stage", id, first: chunks, chunks: [data] }, null);
    chunks += 1;
    bytes += data.length;
    onBytes(bytes);
  }
  const conf = confOf([{ id: identity.incarnation, name: identity.name, address: "" }]);
  const snapshot: Snapshot = { index, term, conf, nonce: id.nonce, chunks, bytes, digest };
  const chain = chainOf(lineage, digest);
  await persist({ type: "switch", snapshot, chain }, { term: hardTerm, vote: null });
}

/** The registry is frozen until the last was taken. */
function* chunksOf(registry: Registry): Generator<Uint8Array> {
  const view = registry.freeze();
  const items = view.items();
  try {
    for (let isLast = false; !isLast; ) {
      const next = nextChunk(items, snapshotCodec, SNAPSHOT_CHUNK_BYTES);
      isLast = next.isLast;
      if (next.data !== null) yield next.data;
    }
  } finally {
    view.release();
  }
}

/** Of a log that nobody has: no entry of another one fits behind it. */
function chainOf({ clusterId, epoch, index, term }: NewLineage, digest: string): string {
  const text = JSON.stringify([clusterId, epoch, index, term, digest]);
  return createHash("sha256").update(text).digest("hex").slice(0, CHAIN_DIGITS);
}

/** As a start does it. */
async function checkMade(dataDir: string, name: string, digest: string): Promise<void> {
  const directory = await openDirectory(dataDir, name, nodeRandom, true);
  try {
    const { loaded, storage } = await directory.open();
    const read = await storedRegistry(loaded, storage);
    assert(read.digest() === digest, "what was written is what is read");
  } finally {
    await directory.close();
  }
}
