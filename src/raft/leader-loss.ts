import { askForPreVotes, mayStartElection } from "./election.ts";
import { endLoss, type RaftState, restartElectionTimer, setAlarm } from "./state.ts";
import type { MemberId } from "./types.ts";

/**
 * A leader whose process is gone is replaced without waiting for its silence. Ticks are too coarse
 * for that, so an alarm in milliseconds stands beside the election timer: it is set wherever that
 * is started again, and what it leads to is the same PreVote.
 *
 * The links of n1, the leader, are all reset at once. n2 and n3 dial it again and are answered:
 * nothing has happened. Only n2 gets no answer: it asks, and n3, which hears n1, refuses
 * (`isSticky`). Neither gets one: whoever asks first is not refused.
 */

/** Before the first attempt: those who lost the leader together shall not all ask together. */
const FIRST_MS_MAX = 50;

export function peerGone(state: RaftState, peer: MemberId, isGone: boolean): void {
  if (!isGone) {
    state.gone.delete(peer);
    if (state.lostLeader === peer) endLoss(state);
    return;
  }
  state.gone.add(peer);
  const { role } = state;
  if (role.type === "leader" && role.transfer?.to === peer) role.transfer = null;
  if (role.type !== "follower" || role.leader !== peer) return;
  state.lostLeader = peer;
  setAlarm(state, state.config.random(FIRST_MS_MAX + 1));
}

export function alarmWent(state: RaftState, number: number): void {
  if (number !== state.alarms || state.lostLeader === null) return;
  if (mayStartElection(state)) askForPreVotes(state);
  else restartElectionTimer(state);
}
