import {
  DISK_FRACTION_FULL,
  DISK_FRACTION_LOW,
  DISK_FRACTION_RESERVE,
  DISK_FULL_BYTES_DEFAULT,
  DISK_LOW_BYTES_DEFAULT,
  DISK_RESERVE_BYTES_DEFAULT,
} from "../limits.ts";
import type { DiskState } from "../replica/disk-states.ts";

/** As a node is told; null: what fits the disk. 0: never, or none. */
export interface DiskSettings {
  readonly diskLowBytes: number | null;
  readonly diskFullBytes: number | null;
  readonly diskReserveBytes: number | null;
}

export interface DiskMarks {
  /** Room below which the disk is `low`; 0: it never is. */
  readonly lowBytes: number;
  /** Room below which it is `full`; 0: it never is. At most `lowBytes`. */
  readonly fullBytes: number;
  /** The least that the reserve is to hold; 0: there is none. */
  readonly reserveBytes: number;
}

/** A volume of 1 GiB is not low when it is half full. */
export function marksOf(settings: DiskSettings, totalBytes: number): DiskMarks {
  const fitting = (most: number, fraction: number): number =>
    Math.min(most, Math.floor(totalBytes * fraction));
  const lowBytes = settings.diskLowBytes ?? fitting(DISK_LOW_BYTES_DEFAULT, DISK_FRACTION_LOW);
  const fullBytes = settings.diskFullBytes ?? fitting(DISK_FULL_BYTES_DEFAULT, DISK_FRACTION_FULL);
  const reserveBytes =
    settings.diskReserveBytes ?? fitting(DISK_RESERVE_BYTES_DEFAULT, DISK_FRACTION_RESERVE);
  return {
    lowBytes,
    fullBytes: Math.min(fullBytes, lowBytes),
    // It is given back to a disk that is full, and to no other.
    reserveBytes: Math.min(fullBytes, lowBytes) === 0 ? 0 : reserveBytes,
  };
}

export interface DiskSpace {
  readonly freeBytes: number;
  /** The size of the reserve, and the size that it is to have. */
  readonly heldBytes: number;
  readonly reserveBytes: number;
}

/** A state ends so far above the mark at which it began: what is written and merged goes up and down. */
const MARGIN = 1.25;

/**
 * What may be written before there is nothing but the reserve. The same whether the reserve is there
 * or was given back: else to give it back would end the state for which it was given.
 */
export function roomOf({ freeBytes, heldBytes, reserveBytes }: DiskSpace): number {
  return Math.max(0, freeBytes - Math.max(0, reserveBytes - heldBytes));
}

/** `state`: that of before. */
export function nextDiskState(
  state: DiskState,
  roomBytes: number,
  { lowBytes, fullBytes }: DiskMarks,
): DiskState {
  if (roomBytes < fullBytes * (state === "full" ? MARGIN : 1)) return "full";
  return roomBytes < lowBytes * (state === "ok" ? 1 : MARGIN) ? "low" : "ok";
}
