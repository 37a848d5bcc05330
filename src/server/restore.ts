import { nodeRandom } from "../env/node-env.ts";
import { LINEAGE_REVISIONS } from "../limits.ts";
import { beginLineage } from "../registry/lineage.ts";
import { type CheckedBackup, checkBackupFile, type OnBytes } from "./check-backup.ts";
import { checkRoom } from "./check-room.ts";
import { checkPlace, checkRevision, makeLineage, stateBytesOf } from "./new-lineage.ts";

export interface RestoreOptions {
  readonly file: string;
  readonly dataDir: string;
  /** The node that the directory is to be of. */
  readonly id: string;
  readonly areSessionsKept: boolean;
  /** See `checkRoom`. */
  readonly diskLowBytes: number | null;
  /** All is checked, and nothing is made. */
  readonly isDry: boolean;
  /** Of the file, while it is read. */
  readonly onRead: OnBytes;
  /** Of the state, while it is written. */
  readonly onWritten: OnBytes;
}

export interface Restored {
  readonly backup: Omit<CheckedBackup, "registry">;
  /** Of the new cluster; null of a dry run, which draws none. */
  readonly clusterId: string | null;
  readonly incarnation: string | null;
  readonly revision: number;
  /** What is kept of them. */
  readonly instances: number;
  readonly sessions: number;
}

const CLUSTER_ID_BYTES = 16;
const EPOCH_FIRST = 1;

/**
 * Makes a data directory of a new cluster, of this one member, with the state of a backup. Rejects
 * with a NodeError, and has changed nothing, where file or place are not as they have to be.
 */
export async function restoreBackup(options: RestoreOptions): Promise<Restored> {
  const { file, dataDir, id, areSessionsKept, onRead, onWritten } = options;
  await checkPlace(dataDir, id);
  const { registry, ...backup } = await checkBackupFile(file, onRead);
  checkRevision(backup.header.revision);
  // A node that has applied nothing yet has a state too.
  const at = { index: Math.max(1, backup.header.index), term: Math.max(1, backup.header.term) };
  beginLineage(registry, { ...at, revisions: LINEAGE_REVISIONS, areSessionsKept });
  const { revision, instanceCount: instances, sessionCount: sessions } = registry;
  const { diskLowBytes } = options;
  const otherwise = "--drop-sessions keeps what is persistent alone";
  const stateBytes = stateBytesOf(registry);
  await checkRoom({ dataDir, diskLowBytes, sessions, stateBytes, otherwise });
  if (options.isDry) {
    return { backup, clusterId: null, incarnation: null, revision, instances, sessions };
  }
  const clusterId = Buffer.from(nodeRandom.bytes(CLUSTER_ID_BYTES)).toString("hex");
  const lineage = { ...at, clusterId, epoch: EPOCH_FIRST, hardTerm: at.term };
  const { incarnation } = await makeLineage(dataDir, id, registry, lineage, onWritten);
  return { backup, clusterId, incarnation, revision, instances, sessions };
}
