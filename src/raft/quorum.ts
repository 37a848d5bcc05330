import { assert, must } from "../util/assert.ts";
import type { ConfState, MemberId } from "./types.ts";

/** Majorities of one set of voters. A joint configuration will ask both of its sets. */

export type VoteResult = "won" | "lost" | "pending";

/** Members that make a majority of `size`; any two majorities have a member in common. */
export function majorityOf(size: number): number {
  return Math.floor(size / 2) + 1;
}

/**
 * The largest value that a majority of the voters has reached: of match indexes the one that may
 * be committed (§5.3), of acknowledged rounds the one that is confirmed (dissertation 6.4).
 */
export function quorumValue(conf: ConfState, reached: (voter: MemberId) => number): number {
  const size = conf.voters.length;
  assert(size > 0, "a configuration has voters");
  const sorted: number[] = [];
  for (const voter of conf.voters) {
    const value = reached(voter);
    let place = sorted.length;
    while (place > 0 && must(sorted[place - 1]) < value) place--;
    sorted.splice(place, 0, value);
  }
  return must(sorted[majorityOf(size) - 1]);
}

/** `lost` as soon as too many have refused for a majority to be reached. */
export function voteResult(conf: ConfState, votes: ReadonlyMap<MemberId, boolean>): VoteResult {
  let granted = 0;
  let refused = 0;
  for (const voter of conf.voters) {
    const vote = votes.get(voter);
    if (vote === true) granted++;
    if (vote === false) refused++;
  }
  const majority = majorityOf(conf.voters.length);
  if (granted >= majority) return "won";
  return conf.voters.length - refused < majority ? "lost" : "pending";
}
