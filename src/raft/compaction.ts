import { assert } from "../util/assert.ts";
import type { RaftState } from "./state.ts";
import type { LogIndex, Snapshot, SnapshotWrite } from "./types.ts";

/** Each member takes snapshots of its own and cuts its own log (§7, dissertation 5.1). */

/**
 * Queues a write of the caller. False where it cannot be carried out any more: another member's
 * snapshot is being received, or has been, and this one has made place for it.
 */
export function writeSnapshot(state: RaftState, write: SnapshotWrite): boolean {
  assert(write.type !== "cut", "a log is cut by compact");
  if (write.type !== "drop") {
    const { index } = write.type === "stage" ? write.id : write.snapshot;
    if (state.install !== null || index <= state.snapshot.index) return false;
  }
  if (!state.snapshotWrites.add(write, true)) return false;
  if (write.type === "switch") checkTaken(state, write.snapshot, write.chain);
  return true;
}

function checkTaken(state: RaftState, snapshot: Snapshot, chain: string | null): void {
  const { index, term } = snapshot;
  assert(chain === null, "the log holds the last entry of a snapshot that this member took");
  assert(index <= state.handedIndex, () => {
    return `a snapshot at ${index}, but applied is ${state.handedIndex}`;
  });
  assert(state.log.termAt(index) === term, () => `the entry at ${index} is not of term ${term}`);
}

/** Forgets entries up to `index`, here at once, on disk by a write. */
export function compact(state: RaftState, index: LogIndex): void {
  assert(index <= state.snapshot.index, () => {
    return `entries up to ${index} are cut, but the snapshot ends at ${state.snapshot.index}`;
  });
  if (index <= state.log.start.index) return;
  state.log.compact(index);
  state.snapshotWrites.add({ type: "cut", index }, false);
}

/**
 * The first entry that a peer still needs: one that is being sent a snapshot, which it will go on
 * from, or one that was heard lately. Just elected, a leader does not know, and it is 1.
 */
export function retainIndex(state: RaftState): LogIndex {
  const { role, log, config } = state;
  let needed = log.lastIndex + 1;
  if (role.type !== "leader") return needed;
  for (const [peer, { transfer, matchIndex, ticksSinceHeard }] of role.progress) {
    // Who is leaving is told so by what there is, or not at all.
    if (!state.peers.includes(peer)) continue;
    if (transfer !== null) needed = Math.min(needed, transfer.snapshot.index + 1);
    else if (ticksSinceHeard < config.electionTicksMax) needed = Math.min(needed, matchIndex + 1);
  }
  return needed;
}
