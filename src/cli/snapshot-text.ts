import type { checkBackupFile } from "../server/check-backup.ts";

export type Checked = Awaited<ReturnType<typeof checkBackupFile>>;

/** Of a backup that is whole, for programs. */
export function backupFields({ header, end, fileBytes }: Checked): Record<string, unknown> {
  const { clusterId, epoch, ...rest } = header;
  return {
    lineage: `${clusterId}.${epoch}`,
    ...rest,
    ...end,
    fileBytes,
  };
}
