import { join } from "node:path";
import type { HardState } from "../raft/types.ts";
import { assert } from "../util/assert.ts";
import { damaged, describeDamage } from "./damage.ts";
import { readIfThere } from "./durable-file.ts";
import { databaseOf, decodeGeneration, FIRST_GENERATION, markOf } from "./generation.ts";
import { decodeBirth, decodeIdentity } from "./identity.ts";
import type { KeyValueStore } from "./key-value-store.ts";
import { DIRECTORY_FILES } from "./layout.ts";
import { type OnCopyRead, readCopy } from "./level-copy.ts";
import { readLog } from "./level-storage.ts";
import { MarkFile } from "./mark-file.ts";
import { chunkRange } from "./snapshot-layout.ts";
import { SnapshotVerifier } from "./snapshot-verifier.ts";
import { type Identity, type LoadedLog, type Membership, StorageError } from "./storage.ts";
import { VOTE_FILES } from "./vote-copies.ts";
import { decodeVote, newerVote } from "./vote-record.ts";

/** All that the directory of a member says, as a start would load it. */
export interface Survivor {
  readonly identity: Identity;
  readonly birth: Membership;
  /** Of term 0 where it cannot be read. */
  readonly hardState: HardState;
  readonly loaded: LoadedLog;
}

const FILES = DIRECTORY_FILES;
const ANY_TERM: HardState = { term: Number.MAX_SAFE_INTEGER, vote: null };
const NO_VOTE: HardState = { term: 0, vote: null };

/**
 * Reads the directory of a node that is stopped, without a byte of it changed. The chunks of its
 * snapshot go to `onChunk`, in order, once the log was found to be whole.
 *
 * @throws StorageError LOCKED where a node runs on it, DAMAGED where anything is not as written.
 */
export async function readSurvivor(
  path: string,
  onChunk: (chunk: Uint8Array) => void,
  onRead: OnCopyRead,
): Promise<Survivor> {
  const identity = await record(path, FILES.identity, decodeIdentity);
  const { membership: birth } = await record(path, FILES.birth, decodeBirth);
  const stored = await readIfThere(join(path, FILES.generation));
  const { generation } =
    stored === null
      ? { generation: FIRST_GENERATION }
      : await record(path, FILES.generation, decodeGeneration);
  const database = join(path, databaseOf(generation.number));
  const read = async (store: KeyValueStore): Promise<Survivor> => {
    const votes = await votesIn(path, identity.incarnation);
    const mark = await MarkFile.read(join(path, markOf(generation.number)), identity.incarnation);
    const verdict = await readLog(store, votes ?? ANY_TERM, mark?.position ?? null);
    if (verdict.type === "damaged") throw bad(path, describeDamage(verdict.damage));
    await readChunks(path, store, verdict.loaded, onChunk);
    return { identity, birth, hardState: votes ?? NO_VOTE, loaded: verdict.loaded };
  };
  const outcome = await readCopy(database, read, onRead);
  switch (outcome.type) {
    case "read":
      return outcome.result;
    case "running":
      throw new StorageError("LOCKED", `a node runs on ${path}`, "Stop it first.");
    case "bad":
      throw bad(path, outcome.files.map(({ file, text }) => `${file}: ${text}`).join("; "));
    default:
      throw bad(path, outcome.why);
  }
}

async function readChunks(
  path: string,
  store: KeyValueStore,
  { snapshot }: LoadedLog,
  onChunk: (chunk: Uint8Array) => void,
): Promise<void> {
  if (snapshot === null) return;
  const verifier = new SnapshotVerifier(snapshot);
  for await (const [key, value] of store.iterate(chunkRange(snapshot, snapshot.chunks))) {
    const data = verifier.take(key, value);
    if (data !== null) onChunk(data);
  }
  const damage = verifier.finish();
  assert(damage === null, () => `${path} was found to be whole a moment ago`);
}

/** Null where neither copy can be read. Whoever goes on from this in another epoch needs none. */
async function votesIn(path: string, incarnation: string): Promise<HardState | null> {
  const [a = null, b = null] = await Promise.all(
    VOTE_FILES.map(async (file) => decodeVote(await readIfThere(join(path, file)), incarnation)),
  );
  const vote = newerVote(a, b);
  return vote === null ? null : { term: vote.term, vote: vote.vote };
}

async function record<T>(
  path: string,
  file: string,
  decode: (content: Uint8Array) => T | null,
): Promise<T> {
  const content = await readIfThere(join(path, file));
  const read = content === null ? null : decode(content);
  if (read === null) throw bad(path, `${file} is missing, or not as it was written`);
  return read;
}

function bad(path: string, what: string): Error {
  return damaged(path, `${path}: ${what}`);
}
