import { ELECTION_TICKS_MAX, TICK_MS } from "../limits.ts";
import { formatDuration } from "./duration.ts";

/** How old a copy may be; null is unknown. */
export function ageText(ageMs: number | null): string {
  return ageMs === null ? "of unknown age" : `at most ${formatDuration(ageMs)} old`;
}

/** Older than the copy of a node that hears from a leader. */
export function isOld(ageMs: number | null): boolean {
  return ageMs === null || ageMs > ELECTION_TICKS_MAX * TICK_MS;
}
