import { assert, must } from "../util/assert.ts";
import type { RaftMessage } from "./messages.ts";
import { isSameId, isStored } from "./snapshot.ts";
import type { WaitingSnapshotWrite } from "./snapshot-writes.ts";
import type { RaftState } from "./state.ts";
import type { MemberId, PersistRequest, Term } from "./types.ts";

/** What leaves this node, and what has to be on its disk before (§5, Figure 2). */

/**
 * `from`, `to` and `term` of a message of this node. What goes out for every entry spells them out:
 * to spread an object into a literal is a slow path of V8.
 */
export function header(
  state: RaftState,
  to: MemberId,
): { readonly from: MemberId; readonly to: MemberId; readonly term: Term } {
  return { from: state.id, to, term: state.term };
}

/** Trials of an election bind nobody: they change no term and no vote, and may leave at once. */
function isTrial(message: RaftMessage): boolean {
  return message.type === "preVote" || message.type === "preVoteResponse";
}

/**
 * n1 takes part in term 5 and crashes before term 5 is on its disk: back in term 4, it would take
 * part in 5 again, vote twice in it, or acknowledge to a leader of 4 what the leader of 5 already
 * counts. So nothing that carries a term leaves before it is durable, nor a vote or a candidacy
 * before the vote is.
 */
function isVouchedFor(state: RaftState, message: RaftMessage): boolean {
  const { durable, vote } = state;
  if (durable.term < message.term) return false;
  const tellsOfVote =
    message.type === "requestVote" || (message.type === "requestVoteResponse" && message.granted);
  return !tellsOfVote || durable.vote === vote;
}

export function send(state: RaftState, message: RaftMessage): void {
  if (isTrial(message)) {
    state.outbox.push(message);
    return;
  }
  assert(message.term === state.term, () => `a ${message.type} of term ${message.term}`);
  if (isVouchedFor(state, message)) state.outbox.push(message);
  else state.held.push(message);
}

export function isHardStateDurable(state: RaftState): boolean {
  return state.durable.term === state.term && state.durable.vote === state.vote;
}

/** One write at a time: two at once may become durable in the wrong order. */
export function nextWrite(state: RaftState): PersistRequest | null {
  if (state.write !== null) return null;
  const isHardStateNew = !isHardStateDurable(state);
  const { log, snapshotWrites, commitIndex } = state;
  if (!isHardStateNew && !log.hasUnhanded && snapshotWrites.isEmpty) return null;
  state.writes++;
  const hardState = isHardStateNew ? { term: state.term, vote: state.vote } : null;
  const snapshot = snapshotWrites.take();
  assert(!isDropOfCurrent(state, snapshot), "the current snapshot is not dropped");
  // Where the log starts again on disk, nothing that stands in it now would be left.
  const entries = isRestart(snapshot) ? [] : log.takeUnhanded();
  state.write = { number: state.writes, hardState, snapshot };
  return {
    write: state.writes,
    hardState,
    entries,
    commitIndex,
    snapshot: snapshot?.write ?? null,
  };
}

function isDropOfCurrent(state: RaftState, waiting: WaitingSnapshotWrite | null): boolean {
  const { snapshot } = state;
  return (
    waiting?.write.type === "drop" && isStored(snapshot) && isSameId(snapshot, waiting.write.id)
  );
}

/** A switch to a snapshot that was received. */
export function isRestart(waiting: WaitingSnapshotWrite | null): boolean {
  return waiting?.write.type === "switch" && waiting.write.chain !== null;
}

/**
 * Takes note of what the write in flight made durable, and lets go what waited for it. What it did
 * to the stored snapshots is the caller's to take note of.
 */
export function completeWrite(state: RaftState, number: number): WaitingSnapshotWrite | null {
  const write = must(state.write, () => `write ${number} is not in flight`);
  assert(write.number === number, () => `write ${write.number} is in flight, not ${number}`);
  state.write = null;
  if (write.hardState !== null) state.durable = write.hardState;
  state.log.written();
  const waiting = state.held;
  state.held = [];
  for (const message of waiting) send(state, message);
  return write.snapshot;
}
