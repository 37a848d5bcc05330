import { assert } from "../util/assert.ts";
import { header, send } from "./durability.ts";
import type { HeartbeatResponse, ReadIndex, ReadIndexResponse } from "./messages.ts";
import { quorumValue } from "./quorum.ts";
import { isLeaderReady, type Leader, leaderOf, type RaftState, type WaitingRead } from "./state.ts";
import type { ReadId } from "./types.ts";

/**
 * Quorum rounds and the reads that they make linearizable (dissertation 6.4). A round is a
 * heartbeat with a number. Who has answered it was led by this node after it was sent, so if a
 * quorum has, no other leader had committed anything by the time it was sent.
 */

/**
 * The number of a round of which nothing has left yet. Several asked for within a turn are one.
 * A sole voter is its own quorum and has confirmed it at once.
 */
export function beginRound(state: RaftState, leader: Leader): number {
  if (leader.round === leader.sentRound) leader.round++;
  if (state.peers.length === 0) sendRound(state, leader);
  return leader.round;
}

/**
 * Sends the round that was begun, with every read that has come until now: a read joins only a
 * round of which nothing was sent before it came. n1 asks all for a round, n2 answers; n3 is
 * elected and commits; then a read comes to n1. The answers on their way to it say nothing of it.
 */
export function sendRound(state: RaftState, leader: Leader): void {
  if (leader.round === leader.sentRound) return;
  leader.sentRound = leader.round;
  // Before an entry of its own term is committed a leader may be behind what others have answered
  // from: its reads wait (§8).
  if (leader.waitingReads.length > 0 && isLeaderReady(state)) {
    const { round, waitingReads: reads } = leader;
    leader.readBatches.push({ round, index: state.commitIndex, reads });
    leader.waitingReads = [];
  }
  for (const [peer, progress] of leader.progress) {
    const commitIndex = Math.min(state.commitIndex, progress.matchIndex);
    const { round } = leader;
    send(state, { ...header(state, peer), type: "heartbeat", commitIndex, round });
    progress.sentCommitIndex = Math.max(progress.sentCommitIndex, commitIndex);
  }
  confirmRounds(state, leader);
}

/** One round for all reads that wait, at once where none is out, else when that is confirmed. */
export function beginReadRound(state: RaftState, leader: Leader): void {
  const isWanted = leader.waitingReads.length > 0 && leader.readBatches.length === 0;
  if (isWanted && isLeaderReady(state)) beginRound(state, leader);
}

export function tickHeartbeat(state: RaftState, leader: Leader): void {
  leader.heartbeatElapsedTicks++;
  if (leader.heartbeatElapsedTicks < state.config.heartbeatTicks) return;
  leader.heartbeatElapsedTicks = 0;
  const round = beginRound(state, leader);
  for (const progress of leader.progress.values()) progress.heartbeatSent(round);
}

export function handleHeartbeatResponse(state: RaftState, message: HeartbeatResponse): void {
  const leader = state.role;
  if (leader.type !== "leader") return;
  assert(message.round <= leader.sentRound, () => {
    return `${message.from} answers round ${message.round} of ${leader.sentRound}`;
  });
  const progress = leader.progress.get(message.from);
  if (progress === undefined) return;
  progress.ticksSinceHeard = 0;
  progress.heartbeatAnswered(message.round, state.log.lastIndex);
  confirmRounds(state, leader);
}

/**
 * An answer to a round was sent after every earlier round began: it confirms those too. What a
 * quorum has confirmed stays so, where a new configuration has voters who have answered nothing.
 */
function confirmRounds(state: RaftState, leader: Leader): void {
  const round = quorumValue(state.conf, (voter) =>
    voter === state.id ? leader.sentRound : (leader.progress.get(voter)?.ackedRound ?? 0),
  );
  leader.confirmedRound = Math.max(leader.confirmedRound, round);
  const { readBatches, confirmedRound } = leader;
  while (readBatches[0] !== undefined && readBatches[0].round <= confirmedRound) {
    const { index, reads } = readBatches[0];
    readBatches.shift();
    for (const read of reads) answerRead(state, read, index);
  }
}

function answerRead(state: RaftState, { from, id }: WaitingRead, index: number): void {
  if (from === null) state.readStates.push({ id, index });
  else send(state, { ...header(state, from), type: "readIndexResponse", id, index });
}

/** Of this node. False where no leader is known. */
export function requestRead(state: RaftState, id: ReadId): boolean {
  const leader = leaderOf(state);
  if (leader === null) return false;
  if (state.role.type === "leader") waitForRound(state, state.role, { from: null, id });
  else send(state, { ...header(state, leader), type: "readIndex", id });
  return true;
}

export function handleReadIndex(state: RaftState, message: ReadIndex): void {
  if (state.role.type !== "leader") return;
  waitForRound(state, state.role, { from: message.from, id: message.id });
}

function waitForRound(state: RaftState, leader: Leader, read: WaitingRead): void {
  leader.waitingReads.push(read);
  if (state.peers.length === 0) beginReadRound(state, leader);
}

/** Of the current term; only its leader can have confirmed anything in it. */
export function handleReadIndexResponse(state: RaftState, message: ReadIndexResponse): void {
  if (state.role.type !== "follower" || state.role.leader !== message.from) return;
  state.readStates.push({ id: message.id, index: message.index });
}
