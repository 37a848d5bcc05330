import { dirname, resolve } from "node:path";
import { DISK_RESERVE_SNAPSHOTS } from "../limits.ts";
import { leftoverBytes } from "../storage/markers.ts";
import { marksOf, nextDiskState, roomOf } from "./disk-marks.ts";
import { type DiskRoom, diskRoomOf } from "./machine.ts";
import { configurationError } from "./node-error.ts";

export interface RoomWanted {
  /** Where the node is to be, whether it is there or not. */
  readonly dataDir: string;
  /** As the node is to be started; null: what fits the disk. */
  readonly diskLowBytes: number | null;
  /** That are kept. */
  readonly sessions: number;
  /** Of the snapshot that is to be written. */
  readonly stateBytes: number;
  /** The way out without room, for people; empty where there is none. */
  readonly otherwise: string;
}

const MIB = 2 ** 20;

/**
 * Of a new lineage that keeps sessions: whether its node would take new ones. Who had a session before
 * is told that it is of another lineage, and opens a new one, which takes over what it owns. Where the
 * disk is low, that is refused: every provider would live, and be gone from the registry when the TTL
 * of its kept session is over. Rejects with a NodeError.
 */
export async function checkRoom(wanted: RoomWanted, ask = diskRoomOf): Promise<void> {
  const { dataDir, diskLowBytes, sessions, stateBytes, otherwise } = wanted;
  const disk = sessions === 0 ? null : await roomAt(resolve(dataDir), ask);
  if (disk === null) return;
  const { totalBytes } = disk;
  const freeBytes = disk.freeBytes + (await leftoverBytes(dataDir));
  const settings = { diskLowBytes, diskFullBytes: null, diskReserveBytes: null };
  const marks = marksOf(settings, totalBytes);
  const reserveBytes =
    marks.reserveBytes === 0
      ? 0
      : Math.max(marks.reserveBytes, DISK_RESERVE_SNAPSHOTS * stateBytes);
  const space = { freeBytes: freeBytes - stateBytes, heldBytes: 0, reserveBytes };
  const roomBytes = roomOf(space);
  if (nextDiskState("ok", roomBytes, marks) === "ok") return;
  const [room, low] = [roomBytes, marks.lowBytes].map((bytes) => `${Math.ceil(bytes / MIB)} MiB`);
  throw configurationError(
    `the disk of ${dataDir} would be low: ${room} of room, ${low} wanted; providers could not come back, and the sessions that are kept (${sessions}) would end`,
    `make room, or name another place${otherwise === "" ? "" : `; ${otherwise}`}. --disk-low says with what the node is to be started (0: its disk is never low)`,
  );
}

/** Of the nearest directory that is there. */
async function roomAt(path: string, ask: typeof diskRoomOf): Promise<DiskRoom | null> {
  const room = await ask(path);
  const above = dirname(path);
  return room !== null || above === path ? room : roomAt(above, ask);
}
