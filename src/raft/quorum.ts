import { assert, must } from "../util/assert.ts";
import type { ConfState, MemberId } from "./types.ts";

/**
 * Majorities. A joint configuration decides nothing without a majority of each of its halves (§6),
 * so that it overlaps with whatever either of them decides alone. Learners are in neither.
 */

export type Halves = Pick<ConfState, "voters" | "votersOutgoing">;

export type VoteResult = "won" | "lost" | "pending";

/** Members that make a majority of `size`; any two majorities have a member in common. */
export function majorityOf(size: number): number {
  return Math.floor(size / 2) + 1;
}

/**
 * The largest value that a quorum has reached: of match indexes the one that may be committed
 * (§5.3), of acknowledged rounds the one that is confirmed (dissertation 6.4).
 */
export function quorumValue(conf: Halves, reached: (voter: MemberId) => number): number {
  const value = majorityValue(conf.voters, reached);
  return conf.votersOutgoing.length === 0
    ? value
    : Math.min(value, majorityValue(conf.votersOutgoing, reached));
}

function majorityValue(voters: readonly MemberId[], reached: (voter: MemberId) => number): number {
  assert(voters.length > 0, "a configuration has voters");
  const sorted: number[] = [];
  for (const voter of voters) {
    const value = reached(voter);
    let place = sorted.length;
    while (place > 0 && must(sorted[place - 1]) < value) place--;
    sorted.splice(place, 0, value);
  }
  return must(sorted[majorityOf(voters.length) - 1]);
}

/** `lost` as soon as too many have refused for a quorum to be reached. */
export function voteResult(conf: Halves, votes: ReadonlyMap<MemberId, boolean>): VoteResult {
  const result = majorityResult(conf.voters, votes);
  if (conf.votersOutgoing.length === 0) return result;
  const outgoing = majorityResult(conf.votersOutgoing, votes);
  if (result === "lost" || outgoing === "lost") return "lost";
  return result === outgoing ? result : "pending";
}

function majorityResult(
  voters: readonly MemberId[],
  votes: ReadonlyMap<MemberId, boolean>,
): VoteResult {
  let granted = 0;
  let refused = 0;
  for (const voter of voters) {
    const vote = votes.get(voter);
    if (vote === true) granted++;
    if (vote === false) refused++;
  }
  const majority = majorityOf(voters.length);
  if (granted >= majority) return "won";
  return voters.length - refused < majority ? "lost" : "pending";
}
