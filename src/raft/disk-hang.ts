import { isSoleVoter } from "./conf-state.ts";
import type { Leader, RaftState } from "./state.ts";
import { beginTransfer } from "./transfer.ts";

/**
 * n1 leads, and its disk hangs. n2 and n3 could commit without it, but it takes up no new writes
 * behind one that does not end, and its heartbeats keep them from replacing it. So when its own
 * write has not moved for as long as followers bear with a silent leader, it hands over to somebody
 * whose disk has everything, and where that does not come about it steps down.
 *
 * Called once a tick of a leader; true where it is to step down now.
 */
export function isDiskGivenUp(state: RaftState, leader: Leader): boolean {
  const { write, waitingWrite, log } = state;
  const { electionTicksMin } = state.config;
  const number = write?.number ?? 0;
  const ticks = number !== 0 && waitingWrite.number === number ? waitingWrite.ticks + 1 : 0;
  state.waitingWrite = { number, ticks };
  const isHanging = ticks >= electionTicksMin && log.durableIndex < log.lastIndex;
  // A sole voter has nobody to leave it to.
  if (!isHanging || isSoleVoter(state.conf, state.id)) return false;
  // One that was asked for over and over would keep it for ever.
  if (leader.transfer !== null) return ticks > 2 * electionTicksMin;
  return ticks > electionTicksMin || !beginTransfer(state, null).isStarted;
}
