import { nodeRandom } from "../env/node-env.ts";
import { EPOCH_STEP_MAX, LINEAGE_REVISIONS } from "../limits.ts";
import { RegistryBuilder } from "../registry/builder.ts";
import { beginLineage } from "../registry/lineage.ts";
import { Registry } from "../registry/registry.ts";
import type { OnCopyRead } from "../storage/level-copy.ts";
import { supersede } from "../storage/markers.ts";
import { readSurvivor, type Survivor } from "../storage/survivor.ts";
import { must } from "../util/assert.ts";
import { commandCodec } from "../wire/command-codec.ts";
import { snapshotCodec } from "../wire/snapshot-codec.ts";
import type { OnBytes } from "./check-backup.ts";
import { checkRoom } from "./check-room.ts";
import { checkPlace, checkRevision, makeLineage, stateBytesOf } from "./new-lineage.ts";
import { asNodeError } from "./node-error.ts";

export interface RecoverOptions {
  /** The directory to go on from: the most up to date of those that are left. */
  readonly from: string;
  /** All that are left, of the same cluster: none of them is started again. */
  readonly survivors: readonly string[];
  /** Where the new one is made: an empty directory, or one that is not there. */
  readonly into: string;
  readonly id: string;
  /** See `checkRoom`. */
  readonly diskLowBytes: number | null;
  /** All is checked, and nothing is made. */
  readonly isDry: boolean;
  readonly onRead: OnCopyRead;
  readonly onWritten: OnBytes;
}

export interface Recovered {
  /** Cluster and epoch from now on. */
  readonly lineage: string;
  /** Null of a dry run. */
  readonly incarnation: string | null;
  readonly index: number;
  readonly term: number;
  readonly revision: number;
  readonly instances: number;
  readonly sessions: number;
  /** Directories of which it could not be written down that they are not to be started. */
  readonly unmarked: readonly string[];
}

/**
 * Goes on after a lost quorum: with all that one directory has, committed or not, a new directory of
 * the same cluster in the next epoch is made, whose only member is a node that nobody has known. The
 * log of before is applied to its end: what was acknowledged is among it wherever this member was
 * one of those that had it, and what was not may have been, for all that its caller knows.
 *
 * Nothing is changed in the old directories, but for a file that keeps a start from using them.
 */
export async function recoverCluster(options: RecoverOptions): Promise<Recovered> {
  const { from, survivors, into, id, isDry, onRead, onWritten } = options;
  await checkPlace(into, id);
  const { survivor, registry } = await stateOf(from, onRead).catch((error: unknown) => {
    throw asNodeError(error);
  });
  checkRevision(registry.revision);
  const { birth, hardState, loaded } = survivor;
  const end = loaded.entries.at(-1) ?? loaded.snapshot ?? loaded.logStart;
  // A cluster that was born and has never had a leader has a log of nothing.
  const at = { index: Math.max(1, end.index), term: Math.max(1, end.term) };
  beginLineage(registry, { ...at, revisions: LINEAGE_REVISIONS, areSessionsKept: true });
  // Two recoveries of one epoch are two clusters: one of them is to be the later one.
  const epoch = birth.epoch + 1 + nodeRandom.below(EPOCH_STEP_MAX);
  const lineage = `${birth.clusterId}.${epoch}`;
  const { revision, instanceCount: instances, sessionCount: sessions } = registry;
  const recovered = { lineage, ...at, revision, instances, sessions };
  const { diskLowBytes } = options;
  const room = { dataDir: into, diskLowBytes, sessions, stateBytes: stateBytesOf(registry) };
  await checkRoom({ ...room, otherwise: "" });
  if (isDry) {
    return { ...recovered, incarnation: null, unmarked: [] };
  }
  const hardTerm = Math.max(at.term, hardState.term);
  const plan = { clusterId: birth.clusterId, epoch, ...at, hardTerm };
  const { incarnation } = await makeLineage(into, id, registry, plan, onWritten);
  return { ...recovered, incarnation, unmarked: await markAll(survivors, into, lineage) };
}

async function stateOf(
  from: string,
  onRead: OnCopyRead,
): Promise<{ readonly survivor: Survivor; readonly registry: Registry }> {
  let builder: RegistryBuilder | null = null;
  const onChunk = (chunk: Uint8Array): void => {
    builder ??= new RegistryBuilder();
    for (const item of snapshotCodec.decodeChunk(chunk)) {
      builder.add(item);
    }
  };
  const survivor = await readSurvivor(from, onChunk, onRead);
  const { snapshot, entries } = survivor.loaded;
  const built = builder as RegistryBuilder | null;
  const registry =
    snapshot === null
      ? new Registry()
      : must(built, "a snapshot has chunks").finish(snapshot.digest);
  for (const { index, term, kind, data } of entries) {
    if (kind !== "commands" || index <= (snapshot?.index ?? 0)) {
      continue;
    }
    const { atMs, commands } = commandCodec.decodeBatch(data);
    for (const command of commands) {
      registry.apply({ index, term, atMs }, command);
    }
  }
  return { survivor, registry };
}

/** Returns those where it did not work; they may be on something that is mounted to be read only. */
async function markAll(
  survivors: readonly string[],
  into: string,
  lineage: string,
): Promise<readonly string[]> {
  const unmarked: string[] = [];
  for (const path of survivors) {
    try {
      await supersede(
        path,
        `${path} was given up: its cluster goes on as ${lineage}, from ${into}`,
      );
    } catch {
      unmarked.push(path);
    }
  }
  return unmarked;
}
