import { header, send } from "./durability.ts";
import { campaign, mayStartElection } from "./election.ts";
import type { TimeoutNow } from "./messages.ts";
import type { Leader, RaftState } from "./state.ts";
import type { MemberId } from "./types.ts";

/** Dissertation 3.10. */

/** `noTarget`: no other voter was heard within electionTicksMin. */
export type TransferRefusal = "notLeader" | "inProgress" | "notVoter" | "noTarget";

export type TransferStart =
  | { readonly isStarted: true; readonly to: MemberId }
  | { readonly isStarted: false; readonly reason: TransferRefusal };

export function beginTransfer(state: RaftState, to: MemberId | null): TransferStart {
  const leader = state.role;
  if (leader.type !== "leader") return { isStarted: false, reason: "notLeader" };
  if (leader.transfer !== null) return { isStarted: false, reason: "inProgress" };
  if (to !== null && (to === state.id || !mayLead(state, leader, to))) {
    return { isStarted: false, reason: "notVoter" };
  }
  const target = to ?? bestTarget(state, leader);
  if (target === null) return { isStarted: false, reason: "noTarget" };
  leader.transfer = { to: target, elapsedTicks: 0, isTold: false };
  return { isStarted: true, to: target };
}

/** A voter that has its log, and not one that a joint configuration is about to leave behind. */
function mayLead(state: RaftState, leader: Leader, member: MemberId): boolean {
  const isRefilling = leader.progress.get(member)?.isRefilling === true;
  return state.conf.voters.includes(member) && !isRefilling;
}

/** The voter that has most of the log, and of those the one heard last. */
function bestTarget(state: RaftState, leader: Leader): MemberId | null {
  let best: MemberId | null = null;
  let bestMatch = -1;
  let bestTicks = 0;
  for (const [peer, { matchIndex, ticksSinceHeard }] of leader.progress) {
    const isHeard = ticksSinceHeard < state.config.electionTicksMin && !state.gone.has(peer);
    if (!isHeard || !mayLead(state, leader, peer)) continue;
    if (matchIndex > bestMatch || (matchIndex === bestMatch && ticksSinceHeard < bestTicks)) {
      best = peer;
      bestMatch = matchIndex;
      bestTicks = ticksSinceHeard;
    }
  }
  return best;
}

/** One tick of a leader. The message may be lost, so it is sent again at the pace of heartbeats. */
export function tickTransfer(state: RaftState, leader: Leader): void {
  const { transfer } = leader;
  if (transfer === null) return;
  transfer.elapsedTicks++;
  if (transfer.elapsedTicks % state.config.heartbeatTicks === 0) transfer.isTold = false;
  const isOver = transfer.elapsedTicks >= state.config.electionTicksMin;
  if (isOver || !mayLead(state, leader, transfer.to)) leader.transfer = null;
}

/** Tells the target to campaign as soon as it has everything; replication brings it that far. */
export function advanceTransfer(state: RaftState, leader: Leader): void {
  const { transfer } = leader;
  if (transfer === null || transfer.isTold) return;
  const { lastIndex: lastLogIndex } = state.log;
  if (leader.progress.get(transfer.to)?.matchIndex !== lastLogIndex) return;
  transfer.isTold = true;
  send(state, { ...header(state, transfer.to), type: "timeoutNow", lastLogIndex });
}

/**
 * Of a leader that has just left the cluster, and will not see what comes of it (dissertation
 * 4.2.2): one of those who have everything is spared the timeout.
 */
export function leaveTo(state: RaftState, leader: Leader): void {
  const to = bestTarget(state, leader);
  const { lastIndex: lastLogIndex } = state.log;
  if (to === null || leader.progress.get(to)?.matchIndex !== lastLogIndex) return;
  send(state, { ...header(state, to), type: "timeoutNow", lastLogIndex });
}

/**
 * Past PreVote and stickiness, which would refuse it for the sake of the leader that asks for it.
 *
 * n1 gave the transfer up and went on leading; then the message comes. If n1 has proposed since,
 * n2 would depose it and might not even win: its log does not end where it ended then. If not,
 * nothing was lost since, and it is as good a moment as any.
 */
export function handleTimeoutNow(state: RaftState, message: TimeoutNow): void {
  const { role, log } = state;
  if (role.type !== "follower" || role.leader !== message.from) return;
  if (log.lastIndex !== message.lastLogIndex || !mayStartElection(state)) return;
  campaign(state, true);
}
