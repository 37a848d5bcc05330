import { assert } from "../util/assert.ts";
import { header, isRestart, send } from "./durability.ts";
import type { InstallSnapshot, InstallSnapshotResponse } from "./messages.ts";
import type { Progress } from "./progress.ts";
import { acknowledge, commitUpTo, follow } from "./replication.ts";
import { type ChunkRequest, idOf, isSameId, isStored, type LoadedChunk } from "./snapshot.ts";
import type { WaitingSnapshotWrite } from "./snapshot-writes.ts";
import { type Install, type Leader, type RaftState, rebaseConf } from "./state.ts";
import type { MemberId, Snapshot, SnapshotId } from "./types.ts";

/** §7, Figure 13; dissertation 5.1 and 5.2. */

// ----- The leader -------------------------------------------------------------------------------

const NO_DATA = new Uint8Array(0);

/** Asks peers what they have, and the caller for the chunks that can be sent now. */
export function sendSnapshots(state: RaftState, leader: Leader): readonly ChunkRequest[] {
  const requests: ChunkRequest[] = [];
  for (const [to, { transfer }] of leader.progress) {
    if (transfer === null) continue;
    const { snapshot } = transfer;
    if (transfer.isQuestionDue) {
      sendChunk(state, { to, chunk: snapshot.chunks, chain: "", data: NO_DATA }, snapshot);
      transfer.asked();
    }
    const chunk = transfer.wanted;
    if (chunk === null) continue;
    transfer.loading(chunk);
    requests.push({ to, id: idOf(snapshot), chunk });
  }
  return requests;
}

export function chunkLoaded(state: RaftState, loaded: LoadedChunk): void {
  const transfer = progressOf(state, loaded)?.transfer;
  if (transfer?.loaded(loaded.chunk)) sendChunk(state, loaded, transfer.snapshot);
}

/** It was dropped for a newer one while it was sent. */
export function chunkMissing(state: RaftState, request: Pick<ChunkRequest, "to" | "id">): void {
  const progress = progressOf(state, request);
  if (progress === null) return;
  const { snapshot } = state;
  assert(isStored(snapshot) && !isSameId(snapshot, request.id), () => {
    return `chunks of the current snapshot ${request.id.index} are missing`;
  });
  progress.becomeSnapshot(snapshot);
}

/** Null where that snapshot is not on its way to that peer, or not any more. */
function progressOf(
  state: RaftState,
  { to, id }: { readonly to: MemberId; readonly id: SnapshotId },
): Progress | null {
  const progress = state.role.type === "leader" ? state.role.progress.get(to) : undefined;
  const sent = progress?.transfer?.snapshot;
  return progress !== undefined && sent !== undefined && isSameId(sent, id) ? progress : null;
}

function sendChunk(
  state: RaftState,
  { to, chunk, chain, data }: Omit<LoadedChunk, "id">,
  snapshot: Snapshot,
): void {
  const type = "installSnapshot";
  send(state, { ...header(state, to), type, snapshot, chain, chunk, data });
}

export function handleInstallSnapshotResponse(
  state: RaftState,
  message: InstallSnapshotResponse,
): void {
  const leader = state.role;
  const progress = leader.type === "leader" ? leader.progress.get(message.from) : undefined;
  if (progress === undefined) return;
  progress.ticksSinceHeard = 0;
  const { from: to, id, next, received } = message;
  progressOf(state, { to, id })?.transfer?.answered(next, received);
}

// ----- The follower -----------------------------------------------------------------------------

/**
 * Of the current term, so of its leader. Until the switch is durable nothing changes but what is
 * staged: this node follows, votes and answers by the log that it has.
 */
export function handleInstallSnapshot(state: RaftState, message: InstallSnapshot): void {
  const follower = follow(state, message.from);
  if (state.isDiskFull) return;
  const { snapshot, chunk, data } = message;
  if (holds(state, snapshot)) {
    // The leader has committed up to there, so this log is the leader's up to there.
    commitUpTo(state, snapshot.index);
    follower.verifiedIndex = Math.max(follower.verifiedIndex, snapshot.index);
    acknowledge(state, follower);
    return;
  }
  const isQuestion = chunk === snapshot.chunks;
  // n1 lost n2's last acknowledgements and cut its log up to the one before: what n2 vouches for
  // may well be in n1's log still.
  if (isQuestion && follower.verifiedIndex > 0) acknowledge(state, follower);
  const install = installFor(state, message);
  if (install === "stale") return;
  if (install !== null && chunk === install.receivedChunks && !isQuestion) {
    const isNext = state.snapshotWrites.stageReceived(idOf(snapshot), chunk, data);
    assert(isNext, "nothing else is staged while a snapshot is received");
    state.received.push({ type: "chunk", snapshot, chunk, data });
    install.receivedChunks++;
    // It is answered when it is on disk.
    return;
  }
  answer(state, message.from, snapshot, install);
}

/** §7: this log has the snapshot's last entry, so it has everything before it as well. */
function holds(state: RaftState, { index, term }: Snapshot): boolean {
  return index <= state.commitIndex || state.log.termAt(index) === term;
}

/**
 * The install that the message belongs to; null where none is under way or begins with it. Within a
 * term a leader goes over only to later snapshots: chunk 0 of an earlier one was overtaken. A new
 * leader cannot finish what another began, unless both have the same snapshot.
 */
function installFor(state: RaftState, message: InstallSnapshot): Install | "stale" | null {
  const { snapshot, chain, chunk } = message;
  const { install } = state;
  if (install !== null) {
    if (isSameId(install.snapshot, snapshot)) {
      install.term = state.term;
      return install;
    }
    const isLater = install.term < state.term || install.snapshot.index < snapshot.index;
    if (install.isSwitching || !isLater) return "stale";
  }
  if (chunk !== 0) return null;
  if (install !== null) state.snapshotWrites.forget(idOf(install.snapshot));
  state.install = {
    snapshot,
    chain,
    term: state.term,
    receivedChunks: 0,
    durableChunks: 0,
    isSwitching: false,
  };
  return state.install;
}

function answer(state: RaftState, to: MemberId, snapshot: Snapshot, install: Install | null): void {
  send(state, {
    ...header(state, to),
    type: "installSnapshotResponse",
    id: idOf(snapshot),
    next: install?.durableChunks ?? 0,
    received: install?.receivedChunks ?? 0,
  });
}

/**
 * The log has come to hold what was to be installed: a new leader had more of its log, or a message
 * of before was late. To go on would only bring the state machine back. A switch in flight goes
 * through; `installed` sees to the rest.
 */
export function abandonOvertakenInstall(state: RaftState): void {
  const { install } = state;
  if (install === null || isRestart(state.write?.snapshot ?? null)) return;
  const { snapshot } = install;
  if (!holds(state, snapshot)) return;
  commitUpTo(state, snapshot.index);
  state.install = null;
  state.snapshotWrites.forget(idOf(snapshot));
  state.snapshotWrites.add({ type: "drop", id: idOf(snapshot) }, false);
  state.received.push({ type: "abandoned", snapshot });
}

/** The write that held this is on disk. */
export function snapshotWriteDurable(state: RaftState, waiting: WaitingSnapshotWrite): void {
  const { write, isCallers } = waiting;
  if (isCallers) state.snapshotWritten.push(write);
  if (write.type === "stage" && !isCallers)
    staged(state, write.id, write.first + write.chunks.length);
  if (write.type === "switch" && write.chain === null) {
    state.snapshot = write.snapshot;
    rebaseConf(state);
  }
  if (write.type === "switch" && write.chain !== null) installed(state, write.snapshot);
}

function staged(state: RaftState, id: SnapshotId, next: number): void {
  const { install, role } = state;
  if (install === null || !isSameId(install.snapshot, id)) return;
  const { snapshot, chain } = install;
  install.durableChunks = next;
  if (role.type === "follower" && role.leader !== null) {
    answer(state, role.leader, snapshot, install);
  }
  if (next < snapshot.chunks) return;
  install.isSwitching = true;
  const isNext = state.snapshotWrites.add({ type: "switch", snapshot, chain }, false);
  assert(isNext, "what was staged is all there");
}

/**
 * The disk holds the snapshot and an empty log behind it, in one step. What this node has vouched
 * for is not lessened: when the write was handed out, its log had another entry at the snapshot's
 * index or ended before it, so nothing behind that can ever have been committed. While it was in
 * flight, the log may have come to agree, and to be applied past the snapshot.
 */
function installed(state: RaftState, snapshot: Snapshot): void {
  const { install, log, role, snapshotWrites } = state;
  assert(install !== null && isSameId(install.snapshot, snapshot), "a switch ends its install");
  assert(role.type === "follower", "who lacks what is committed is not elected");
  const former = state.snapshot;
  state.install = null;
  state.snapshot = snapshot;
  log.restore(snapshot);
  rebaseConf(state);
  state.commitIndex = Math.max(state.commitIndex, snapshot.index);
  const isAhead = state.handedIndex >= snapshot.index;
  if (!isAhead) state.handedIndex = snapshot.index;
  state.received.push({ type: isAhead ? "abandoned" : "installed", snapshot });
  // Committed, so the log of whoever leads, or ever will.
  role.verifiedIndex = Math.max(role.verifiedIndex, snapshot.index);
  snapshotWrites.forgetCuts();
  if (isStored(former)) snapshotWrites.add({ type: "drop", id: idOf(former) }, false);
}
