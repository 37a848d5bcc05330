import { becomeFollower } from "./roles.ts";
import type { RaftState } from "./state.ts";

/**
 * The disk has no room for entries. A member whose next write fails must end, and with it go its
 * vote, its answers to heartbeats and whatever it serves. So it takes none before it comes to that:
 * what a leader sends to be stored is as if it had not arrived, and comes again when there is room,
 * for the leader learns from the heartbeats, which are answered, that it is not there. Nothing is
 * vouched for that is not on disk, and n1, n2 and n3, all full, still have a leader, whose rounds
 * confirm reads and renewals.
 *
 * Nor does it campaign: as a leader it could append nothing, not even the entry by which a leader
 * finds out what is committed. Term and vote are written over in their place, and go on.
 */
export function setDiskFull(state: RaftState, isFull: boolean): void {
  state.isDiskFull = isFull;
  const { type } = state.role;
  if (isFull && (type === "preCandidate" || type === "candidate")) {
    becomeFollower(state, state.term, null);
  }
}
