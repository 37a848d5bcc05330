import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { ConfState } from "../raft/types.ts";
import { confCodec } from "../wire/conf-codec.ts";
import type { Damage } from "./damage.ts";
import { syncDirectory } from "./durable-file.ts";
import { type Generation, markOf } from "./generation.ts";
import type { KeyValueStore } from "./key-value-store.ts";
import { DIRECTORY_FILES } from "./layout.ts";
import { readLog } from "./level-storage.ts";
import { MarkFile } from "./mark-file.ts";
import { makeGeneration, removeGenerations, storeGeneration } from "./next-generation.ts";
import { type Verdict, vouchedEnd } from "./recovery.ts";
import type { BirthRecord, Identity, LoadedLog, Returning } from "./storage.ts";
import { VoteFile } from "./vote-file.ts";

const { diverged: DIVERGED } = DIRECTORY_FILES;

export interface SetAside {
  readonly path: string;
  readonly identity: Identity;
  readonly birth: BirthRecord;
  readonly generation: Generation;
  /** The database in use, open: nobody else does the same at once. */
  readonly store: KeyValueStore;
}

interface Return {
  readonly generation: Generation;
  readonly store: KeyValueStore;
  readonly damage: null;
}

interface DamagedReturn {
  readonly damage: Damage;
}

/**
 * Begins the next generation of a directory with the marker `diverged`: an empty log, with term and
 * vote as they are, and what has to be known of the log before (see `src/raft/returning.ts`).
 *
 * The file `generation` is the switch; what is made before it is in use only with it, and is made
 * again by the next start where a crash comes between. The marker goes last. A start that finds it
 * with a log that is empty already has nothing more to set aside. One generation before the one in
 * use is kept, for people; there is no more of it, however often this happens.
 *
 * Where the log to be set aside is not what was written, nobody could say what this member has
 * vouched for: nothing is done then, and the marker stays for when it is whole again.
 */
export async function beginReturn(place: SetAside): Promise<Return | DamagedReturn> {
  const { path, identity, birth, store } = place;
  const { generation: former } = place;
  const { log, votes } = await verify(place);
  if (log.type === "damaged") return { damage: log.damage };
  if (vouchedEnd(log, null).index === 0 && former.returning !== null) {
    await removeMarker(path);
    return { generation: former, store, damage: null };
  }
  await removeGenerations(path, (number) => number !== former.number);
  const lostEnd = vouchedEnd(log, former.returning?.lostEnd ?? null);
  const returning = { lostEnd, members: membersBy(confIn(log.loaded), former, birth) };
  const generation = { number: former.number + 1, returning };
  const next = await makeGeneration(path, identity.incarnation, generation.number, votes);
  try {
    await storeGeneration(path, generation, identity.incarnation);
    await removeMarker(path);
  } catch (error) {
    await next.close();
    throw error;
  }
  await store.close();
  return { generation, store: next, damage: null };
}

async function removeMarker(path: string): Promise<void> {
  await rm(join(path, DIVERGED), { force: true });
  await syncDirectory(path);
}

/** `votes`: how often the vote was written. */
async function verify({
  path,
  identity,
  generation,
  store,
}: SetAside): Promise<{ readonly log: Verdict; readonly votes: number }> {
  const { incarnation } = identity;
  const mark = await MarkFile.read(join(path, markOf(generation.number)), incarnation);
  const votes = await VoteFile.open(path, incarnation, mark);
  try {
    const log = await readLog(store, votes.hardState, mark?.position ?? null);
    return { log, votes: votes.writes };
  } finally {
    await votes.close();
  }
}

/** In force at the end of that log; null where it is still the one of the birth. */
export function confIn({ entries, snapshot }: LoadedLog): ConfState | null {
  const last = entries.findLast(({ kind }) => kind === "conf");
  return last === undefined ? (snapshot?.conf ?? null) : confCodec.decode(last.data);
}

/** `conf`: the last one that the log tells of. */
export function membersBy(
  conf: ConfState | null,
  { returning }: Generation,
  birth: BirthRecord,
): Returning["members"] {
  if (conf !== null) return conf.members;
  if (returning !== null) return returning.members;
  return birth.members.map(({ name, incarnation: id }) => ({ id, name, address: "" }));
}
