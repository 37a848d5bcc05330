import { type Inspection, inspectDirectory } from "../storage/inspection.ts";
import { type DiskRoom, diskRoomOf } from "./machine.ts";

/** What can be told of the data directory of a node that is stopped. */
export interface Examined extends Inspection {
  readonly disk: DiskRoom | null;
}

/** Changes nothing in it. Must not be called where a node runs in this process. */
export async function examineDirectory(path: string): Promise<Examined> {
  const inspection = await inspectDirectory(path);
  return { ...inspection, disk: await diskRoomOf(path) };
}
