import type { DiskState } from "../replica/disk-states.ts";

export interface DiskMarks {
  /** Room below which the disk is `low`; 0: it never is. */
  readonly lowBytes: number;
  /** Room below which it is `full`; 0: it never is. At most `lowBytes`. */
  readonly fullBytes: number;
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
