import { assert, must } from "../util/assert.ts";
import { type ConfChange, type ConfMismatch, changedConf, leftJoint } from "./conf-change.ts";
import { isJoint, isVoterOf } from "./conf-state.ts";
import type { ProgressState } from "./progress.ts";
import { quorumValue } from "./quorum.ts";
import { appendOwn, becomeFollower } from "./roles.ts";
import { isLeaderReady, type Leader, type RaftState } from "./state.ts";
import { leaveTo } from "./transfer.ts";
import type { ConfState, LogIndex, MemberId } from "./types.ts";

/** §6; dissertation 4.1 to 4.3. */

/** Why a leader does not begin a change. Nothing has happened. */
export type ConfRefusal =
  | { readonly reason: "notLeader" }
  /** It is handing over the leadership, and appends nothing meanwhile. */
  | { readonly reason: "transferring" }
  /** No entry of its own term is committed yet. */
  | { readonly reason: "notReady" }
  /** Its disk has no room for entries. */
  | { readonly reason: "diskFull" }
  /** The change at `index` is not committed, or its joint configuration is not left. */
  | { readonly reason: "inProgress"; readonly index: LogIndex }
  /** A learner that is to vote lacks entries, or was not heard within the least election timeout. */
  | {
      readonly reason: "behind";
      readonly id: MemberId;
      readonly state: ProgressState;
      readonly matchIndex: LogIndex;
      readonly lastIndex: LogIndex;
      readonly ticksSinceHeard: number;
    }
  /** Of the new voters, too few were heard within the least election timeout to commit anything. */
  | { readonly reason: "quorumSilent"; readonly silent: readonly MemberId[] }
  | ConfMismatch;

export type ConfProposal =
  | { readonly ok: true; readonly index: LogIndex }
  | ({ readonly ok: false } & ConfRefusal);

/**
 * One change at a time, and only by a leader that has committed in its own term. Joint quorums
 * overlap with those of the configuration that they come from, not with those of the one before:
 * n1 leads and appends C1, n2 is elected without it and appends C2; of C1 and C2, both made from
 * C0, each may have a majority without the other. Once n2 has committed an entry of its term, no
 * other log that holds C1 can win (the bug of 2015 in the change by single servers).
 */
export function proposeConf(state: RaftState, change: ConfChange): ConfProposal {
  if (state.role.type !== "leader") return { ok: false, reason: "notLeader" };
  if (state.role.transfer !== null) return { ok: false, reason: "transferring" };
  if (state.isDiskFull) return { ok: false, reason: "diskFull" };
  if (!isLeaderReady(state)) return { ok: false, reason: "notReady" };
  if (!isSettled(state)) {
    return { ok: false, reason: "inProgress", index: state.confs.inForceIndex };
  }
  // It is about to step down; to add itself again would keep it leading what it is not part of.
  if (!isVoterOf(state.conf, state.id)) return { ok: false, reason: "notLeader" };
  const next = changedConf(state.conf, change);
  if (!next.ok) return next;
  const refusal = refusalOfVoters(state, state.role, next.conf);
  if (refusal !== null) return { ok: false, ...refusal };
  return { ok: true, index: appendConf(state, next.conf) };
}

function isSettled(state: RaftState): boolean {
  return state.confs.inForceIndex <= state.commitIndex && !isJoint(state.conf);
}

/** Dissertation 4.2.1: a voter that lacks the log would hold up every commit until it has it. */
function refusalOfVoters(state: RaftState, leader: Leader, next: ConfState): ConfRefusal | null {
  if (!isJoint(next)) return null;
  for (const id of next.voters) {
    if (isVoterOf(state.conf, id)) continue;
    const { state: sending, matchIndex, ticksSinceHeard } = must(leader.progress.get(id));
    const { lastIndex } = state.log;
    const isNear = lastIndex - matchIndex <= state.config.learnerLagEntriesMax;
    if (sending !== "replicate" || !isNear || ticksSinceHeard >= state.config.electionTicksMin) {
      return { reason: "behind", id, state: sending, matchIndex, lastIndex, ticksSinceHeard };
    }
  }
  // Once appended it is in force, and without a quorum it could not even be taken back.
  const isSilent = (id: MemberId): boolean =>
    id !== state.id &&
    must(leader.progress.get(id)).ticksSinceHeard >= state.config.electionTicksMin;
  const isHeardByQuorum = quorumValue(next, (id) => (isSilent(id) ? 0 : 1)) === 1;
  return isHeardByQuorum ? null : { reason: "quorumSilent", silent: next.voters.filter(isSilent) };
}

function appendConf(state: RaftState, conf: ConfState): LogIndex {
  return appendOwn(state, "conf", state.config.confCodec.encode(conf));
}

/**
 * Once Cold,new is committed, nobody without it can be elected, and the new voters go on alone. A
 * leader that inherited it, and was not told that it is committed, finds out by its no-op.
 */
export function leaveJoint(state: RaftState): void {
  if (!isJoint(state.conf) || state.confs.inForceIndex > state.commitIndex) return;
  if (state.isDiskFull) return;
  appendConf(state, leftJoint(state.conf));
}

/**
 * Dissertation 4.2.2: a leader that has removed itself goes on until that is committed, by a
 * majority that does not count it, and has told the others so in its last messages. Then they need
 * another, and it asks one of them to campaign at once. A learner that was elected (`handlePreVote`)
 * goes in the same way, once it has committed what nobody else could.
 */
export function stepDownIfGone(state: RaftState): void {
  if (isVoterOf(state.conf, state.id) || state.confs.inForceIndex > state.commitIndex) return;
  assert(state.role.type === "leader", "who does not lead has nothing to step down from");
  if (!isLeaderReady(state)) return;
  leaveTo(state, state.role);
  becomeFollower(state, state.term, null);
}
