import { assert, must } from "../util/assert.ts";
import { header, send } from "./durability.ts";
import type { AppendEntries, AppendEntriesResponse, Commit, Heartbeat } from "./messages.ts";
import { OutdatedLog } from "./outdated-log.ts";
import type { Progress } from "./progress.ts";
import { quorumValue } from "./quorum.ts";
import { heardLeader } from "./roles.ts";
import { isStored } from "./snapshot.ts";
import { type Follower, type Leader, type RaftState, refreshConf } from "./state.ts";
import type { Entry, LogIndex, MemberId } from "./types.ts";

/** §5.3, §5.4.2. */

// ----- The leader -------------------------------------------------------------------------------

/**
 * Everything that can be sent now, derived from what each peer is known to have. An answer is
 * never itself the reason for a message: one that tells nothing new opens no window, so that
 * repeated answers cannot breed.
 */
export function replicate(state: RaftState, leader: Leader): void {
  for (const [peer, progress] of leader.progress) {
    while (progress.isOpen && progress.nextIndex <= state.log.lastIndex) {
      if (!sendAppend(state, peer, progress, true)) break;
    }
    const isProbeWanted = progress.state === "probe" && progress.isOpen;
    if (isProbeWanted || isCheckWanted(progress)) {
      sendAppend(state, peer, progress, false);
    }
    sendCommit(state, peer, progress);
  }
}

/** Where the peer has been sent entries that it does not know to be committed. */
function sendCommit(state: RaftState, peer: MemberId, progress: Progress): void {
  const commitIndex = Math.min(state.commitIndex, progress.nextIndex - 1);
  if (progress.state !== "replicate" || commitIndex <= progress.sentCommitIndex) return;
  send(state, { type: "commit", from: state.id, to: peer, term: state.term, commitIndex });
  progress.sentCommitIndex = commitIndex;
}

/**
 * n2 lost the last message before a silence, or the leader lost n2's answer to it, or a full
 * window was lost whole: nothing else would ever be sent. An empty message at the end of what was
 * sent is rejected in the first case and acknowledged in the second.
 */
function isCheckWanted(progress: Progress): boolean {
  return progress.isCheckDue && progress.state === "replicate";
}

/** False where the peer needs entries that are no longer in the log, and gets the snapshot (§7). */
function sendAppend(
  state: RaftState,
  peer: MemberId,
  progress: Progress,
  hasEntries: boolean,
): boolean {
  const prevLogIndex = progress.nextIndex - 1;
  const prevLogTerm = state.log.termAt(prevLogIndex);
  if (prevLogTerm === undefined) {
    // Who is leaving needs no state any more.
    if (!state.peers.includes(peer)) return false;
    const { snapshot } = state;
    assert(isStored(snapshot), "what is cut off the log is in a snapshot");
    progress.becomeSnapshot(snapshot);
    return false;
  }
  const entries = hasEntries
    ? state.log.slice(progress.nextIndex, progress.entriesMax, progress.bytesMax)
    : [];
  send(state, {
    type: "appendEntries",
    from: state.id,
    to: peer,
    term: state.term,
    prevLogIndex,
    prevLogTerm,
    entries,
    commitIndex: state.commitIndex,
  });
  progress.sent(entries);
  if (progress.state === "replicate") {
    progress.sentCommitIndex = Math.min(state.commitIndex, progress.nextIndex - 1);
  }
  return true;
}

export function handleAppendEntriesResponse(
  state: RaftState,
  message: AppendEntriesResponse,
): void {
  if (state.role.type !== "leader") return;
  const progress = state.role.progress.get(message.from);
  // Who is not followed any more has nothing to say that would count.
  if (progress === undefined) return;
  progress.ticksSinceHeard = 0;
  if (!message.success) {
    const { hintIndex, hintTerm, prevLogIndex } = message;
    // Before the start of this log nothing is known, and nothing can be sent from there.
    const agreeIndex = Math.min(state.log.lastIndexWithTermAtMost(hintIndex, hintTerm), hintIndex);
    if (message.lostIndex > 0) progress.lost(prevLogIndex, message.lostIndex);
    progress.rejected(prevLogIndex, agreeIndex);
    return;
  }
  assert(message.matchIndex <= state.log.lastIndex, () => {
    return `${message.from} vouches for ${message.matchIndex}, the log ends at ${state.log.lastIndex}`;
  });
  const isNews = progress.acknowledged(message.matchIndex);
  endTransfer(state, progress);
  if (isNews) advanceCommit(state);
}

/**
 * What n2 vouches for is all that the snapshot on its way to it would bring, or reaches into this
 * log again: n1 knew less of n2 than n2 had. Where not even the end of that snapshot is in this log
 * any more, it is sent the current one.
 */
function endTransfer(state: RaftState, progress: Progress): void {
  const { transfer, matchIndex } = progress;
  if (transfer === null) return;
  if (matchIndex >= Math.min(transfer.snapshot.index, state.log.start.index)) {
    progress.endSnapshot();
  }
}

/**
 * §5.4.2: n1 led term 2, and its entry of 2 reached n2; n5 led term 3 with an entry of its own;
 * n1 leads term 4 and brings its entry of 2 to n3. It is on a majority now, and yet n5 can win
 * term 5 and overwrite it. So only an entry of the leader's own term is committed by counting; all
 * before it are committed with it. The leader counts itself like any other: up to what its disk has.
 */
export function advanceCommit(state: RaftState): void {
  const leader = state.role;
  if (leader.type !== "leader") return;
  const matchIndex = quorumValue(state.conf, (voter) =>
    voter === state.id ? state.log.durableIndex : (leader.progress.get(voter)?.matchIndex ?? 0),
  );
  if (matchIndex <= state.commitIndex || state.log.termAt(matchIndex) !== state.term) return;
  state.commitIndex = matchIndex;
}

// ----- The follower -----------------------------------------------------------------------------

/** Of the current term, so of its leader. */
export function handleAppendEntries(state: RaftState, message: AppendEntries): void {
  const follower = follow(state, message.from);
  checkContiguous(message);
  if (state.isDiskFull) return;
  const { log } = state;
  let { prevLogIndex, prevLogTerm, entries } = message;
  if (prevLogIndex < log.start.index) {
    // What is cut off is committed, so the leader has it as well (§5.4.3).
    entries = entries.slice(log.start.index - prevLogIndex);
    prevLogIndex = log.start.index;
    prevLogTerm = log.start.term;
  }
  if (log.termAt(prevLogIndex) !== prevLogTerm) {
    reject(state, message.from, message);
    return;
  }
  const hasAppended = mergeEntries(state, follower, entries);
  const coveredIndex = prevLogIndex + entries.length;
  follower.verifiedIndex = Math.max(follower.verifiedIndex, coveredIndex);
  // Behind `coveredIndex` this log may still hold what another leader has left (Figure 2, step 5).
  commitUpTo(state, Math.min(message.commitIndex, coveredIndex));
  // What was appended is acknowledged when it is on disk. Everything else was there before, on its
  // way to the disk perhaps, and is answered with what is durable now.
  if (!hasAppended) acknowledge(state, follower);
}

export function follow(state: RaftState, from: MemberId): Follower {
  heardLeader(state, from);
  assert(state.role.type === "follower", "who hears a leader follows it");
  return state.role;
}

function checkContiguous(message: AppendEntries): void {
  let previous = message.prevLogIndex;
  for (const entry of message.entries) {
    assert(entry.index === previous + 1 && entry.term <= message.term, () => {
      return `entry ${entry.index} of term ${entry.term} after ${previous} in term ${message.term}`;
    });
    previous = entry.index;
  }
}

/**
 * §5.3, Figure 2, steps 3 and 4. A message that was overtaken by a longer one agrees with what is
 * here and ends before it: only an entry of another term at the same index is a conflict, and only
 * then does the tail go.
 */
function mergeEntries(state: RaftState, follower: Follower, entries: readonly Entry[]): boolean {
  const { log } = state;
  const start = entries.findIndex((entry) => log.termAt(entry.index) !== entry.term);
  const first = entries[start];
  if (first === undefined) return false;
  if (first.index <= log.lastIndex) {
    assert(first.index > state.commitIndex && first.index > follower.verifiedIndex, () => {
      return `conflict at ${first.index}, but ${state.commitIndex} is committed and ${follower.verifiedIndex} is the leader's`;
    });
    log.truncate(first.index);
  }
  log.append(entries.slice(start));
  refreshConf(state);
  return true;
}

export function commitUpTo(state: RaftState, index: LogIndex): void {
  assert(index <= state.log.lastIndex, () => {
    return `${index} is committed, but the log ends at ${state.log.lastIndex}`;
  });
  state.commitIndex = Math.max(state.commitIndex, index);
}

/** Vouches to the leader for what is its log and is durable. */
export function acknowledge(state: RaftState, follower: Follower): void {
  if (follower.leader === null) return;
  const matchIndex = Math.min(follower.verifiedIndex, state.log.durableIndex);
  follower.ackedIndex = matchIndex;
  send(state, {
    type: "appendEntriesResponse",
    from: state.id,
    to: follower.leader,
    term: state.term,
    success: true,
    matchIndex,
  });
}

/** A write is complete: one acknowledgement, where it moved what can be vouched for. */
export function acknowledgeDurable(state: RaftState): void {
  if (state.role.type !== "follower") return;
  const matchIndex = Math.min(state.role.verifiedIndex, state.log.durableIndex);
  if (matchIndex > state.role.ackedIndex) acknowledge(state, state.role);
}

function reject(
  state: RaftState,
  to: MemberId,
  { prevLogIndex, prevLogTerm }: Pick<AppendEntries, "prevLogIndex" | "prevLogTerm">,
): void {
  const { log } = state;
  assert(prevLogIndex > state.commitIndex, () => {
    return `the leader has no such entry as ${prevLogIndex}, and it is committed here`;
  });
  const hintIndex = log.lastIndexWithTermAtMost(prevLogIndex, prevLogTerm);
  const hintTerm = must(log.termAt(hintIndex));
  send(state, {
    ...header(state, to),
    type: "appendEntriesResponse",
    success: false,
    prevLogIndex,
    hintIndex,
    hintTerm,
    lostIndex: state.lostEnd?.index ?? 0,
  });
}

/**
 * A leader of a lower term learns ours and steps down. It may lead in our term by the time this
 * reaches it, so this must answer nothing that it could have asked by then: a heartbeat of term 5
 * answered in term 6 by its round would confirm rounds of 6 that were never sent. Nothing was ever
 * probed at index 0.
 */
export function refuseLeader(state: RaftState, to: MemberId): void {
  send(state, {
    ...header(state, to),
    type: "appendEntriesResponse",
    success: false,
    prevLogIndex: 0,
    hintIndex: 0,
    hintTerm: 0,
    lostIndex: 0,
  });
}

/** What of it was lost or overtaken on the way here is not known to be the leader's, and waits. */
export function handleCommit(state: RaftState, message: Commit): void {
  const { verifiedIndex } = follow(state, message.from);
  commitUpTo(state, Math.min(message.commitIndex, verifiedIndex));
}

/**
 * Its `commitIndex` is at most what this node has acknowledged in this term. Who returns without its
 * log has lost that, and then the leader is told: it might send nothing but heartbeats for ever.
 *
 * @throws OutdatedLog where anybody else has.
 */
export function handleHeartbeat(state: RaftState, message: Heartbeat): void {
  const { commitIndex } = message;
  const { verifiedIndex } = follow(state, message.from);
  const { lastIndex } = state.log;
  if (commitIndex > lastIndex && state.lostEnd === null) {
    throw new OutdatedLog(commitIndex, lastIndex);
  }
  commitUpTo(state, state.lostEnd === null ? commitIndex : Math.min(commitIndex, verifiedIndex));
  if (commitIndex > lastIndex) {
    reject(state, message.from, { prevLogIndex: commitIndex, prevLogTerm: state.term });
  }
  const { round } = message;
  send(state, { ...header(state, message.from), type: "heartbeatResponse", round });
}
