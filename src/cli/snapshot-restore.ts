import { resolve } from "node:path";
import { type Restored, restoreBackup } from "../server/restore.ts";
import type { Context } from "./context.ts";
import { CLI_EXIT } from "./exit-codes.ts";
import { usageFailure } from "./failure.ts";
import { Progress } from "./progress.ts";
import { counted } from "./verdict.ts";

export interface RestoreFlags {
  readonly id?: string;
  readonly data?: string;
  readonly dropSessions?: boolean;
  readonly diskLow?: number;
  readonly dryRun?: boolean;
}

export async function restoreSnapshot(
  context: Context,
  [typed = ""]: readonly string[],
  flags: RestoreFlags,
): Promise<number> {
  const { output, world } = context;
  const { id, data, dropSessions = false, dryRun: isDry = false, diskLow } = flags;
  if (id === undefined || data === undefined) {
    throw usageFailure("which node is to be made is said by --id and --data, both");
  }
  const [file, dataDir] = [resolve(world.cwd, typed), resolve(world.cwd, data)];
  const progress = new Progress(output);
  const restored = await restoreBackup({
    ...{ file, dataDir, id, isDry, areSessionsKept: !dropSessions },
    diskLowBytes: diskLow ?? null,
    onRead: (bytes) => progress.bytes(`reading ${file}`, bytes),
    onWritten: (bytes) => progress.bytes(`writing ${dataDir}`, bytes),
  }).finally(() => progress.done());
  const { clusterId, incarnation, revision, instances, sessions } = restored;
  const { header } = restored.backup;
  if (!output.isForPeople) {
    output.document(isDry ? "RestoreDryRun" : "SnapshotRestored", {
      ...{ file, dataDir, node: id, id: incarnation },
      lineage: clusterId === null ? null : `${clusterId}.1`,
      from: { lineage: `${header.clusterId}.${header.epoch}`, revision: header.revision },
      ...{ index: header.index, revision, instances, sessions },
    });
    return CLI_EXIT.ok;
  }
  for (const line of linesOf(restored, id, dataDir, dropSessions)) {
    output.line(line);
  }
  if (clusterId !== null) {
    output.note(`next: rollcall start --id ${id} --data ${dataDir} --listen HOST:PORT …`);
    output.note(
      "the others join it: rollcall start --join HOST:PORT, each with an empty directory",
    );
  }
  return CLI_EXIT.ok;
}

function linesOf(
  { backup, clusterId, revision, instances, sessions }: Restored,
  id: string,
  dataDir: string,
  areSessionsDropped: boolean,
): readonly string[] {
  const { header } = backup;
  const what = `${counted(instances, "instance")}, ${counted(sessions, "session")}`;
  const dropped = areSessionsDropped
    ? `; ${counted(header.sessions, "session")} and ${counted(header.instances - instances, "instance")} left out`
    : "";
  const taken = new Date(header.takenAtMs).toISOString();
  return [
    clusterId === null
      ? `would make ${dataDir}: node ${id}, the only member of a new cluster; nothing was made`
      : `made ${dataDir}: node ${id}, the only member of cluster ${clusterId}.1`,
    `  ${what}${dropped}`,
    `  of ${taken}, by ${header.node} of cluster ${header.clusterId}.${header.epoch}`,
    `  revision ${revision} (was ${header.revision}): clients are told that it is another lineage`,
  ];
}
