import { type Inspection, inspectDirectory } from "../storage/inspection.ts";
import type { OnCopyRead } from "../storage/level-copy.ts";
import { type DiskRoom, diskRoomOf } from "./machine.ts";

/** What can be told of the data directory of a node that is stopped. */
export interface Examined extends Inspection {
  readonly disk: DiskRoom | null;
}

/** Changes nothing in it. Must not be called where a node runs in this process. */
export async function examineDirectory(path: string, onRead: OnCopyRead): Promise<Examined> {
  const inspection = await inspectDirectory(path, onRead);
  return { ...inspection, disk: await diskRoomOf(path) };
}
