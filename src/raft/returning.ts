import { assert } from "../util/assert.ts";
import type { RaftState } from "./state.ts";
import type { LogEnd, LogIndex, Term } from "./types.ts";

/**
 * A member that comes back without its log: its state had gone wrong, and is to be taken from a
 * peer. It keeps term and vote, and the end of the log that it had.
 *
 * n1 leads, and its entry 9 is committed by n1 and n3; n3 comes back empty. As long as 9 is not in
 * its log again, n3 must not help to elect n2, which lacks it. With its log it would have refused
 * n2, so it goes on to: a candidate has to be as up to date as that log was. So n3 need not be
 * silent, which it could not be where there are two voters and the other one is to fill it again.
 *
 * What it acknowledges is on its disk, as ever, and counts as ever. Once its log has come to be at
 * least as up to date as the one that it had, it is the very log that it would have with that one:
 * all of it came from leaders of its own term or later ones, who would have had it replace what
 * does not fit. Only then may it campaign.
 */

function isBehind(one: LogEnd, index: LogIndex, term: Term): boolean {
  return one.term < term || (one.term === term && one.index <= index);
}

/** §5.4.1, of the log that this member has, and of the one that it had. */
export function isUpToDate(state: RaftState, lastIndex: LogIndex, lastTerm: Term): boolean {
  const { log, lostEnd } = state;
  return (
    log.isUpToDate(lastIndex, lastTerm) &&
    (lostEnd === null || isBehind(lostEnd, lastIndex, lastTerm))
  );
}

/** What it has on disk stands for all that it has ever vouched for. */
export function isRefilled(state: RaftState): boolean {
  const { lostEnd, log } = state;
  const term = log.termAt(log.durableIndex);
  return lostEnd === null || (term !== undefined && isBehind(lostEnd, log.durableIndex, term));
}

/** It is a member like any other from now on. */
export function endReturn(state: RaftState): void {
  assert(isRefilled(state), "a member that lacks what it has vouched for is not back");
  state.lostEnd = null;
}
