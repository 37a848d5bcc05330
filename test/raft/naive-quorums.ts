import type { Halves } from "../../src/raft/quorum.ts";
import type { MemberId } from "../../src/raft/types.ts";

/** Quorums by counting, one set of members at a time. */

function isMajority(voters: readonly MemberId[], members: ReadonlySet<MemberId>): boolean {
  return voters.filter((voter) => members.has(voter)).length * 2 > voters.length;
}

export function isQuorum(
  { voters, votersOutgoing }: Halves,
  members: ReadonlySet<MemberId>,
): boolean {
  const isOfOld = votersOutgoing.length === 0 || isMajority(votersOutgoing, members);
  return isOfOld && isMajority(voters, members);
}

/** Every set of these members. */
export function subsetsOf(ids: readonly MemberId[]): Set<MemberId>[] {
  return Array.from(
    { length: 2 ** ids.length },
    (_, bits) => new Set(ids.filter((_id, at) => ((bits >>> at) & 1) === 1)),
  );
}

export function everybodyOf(...confs: readonly Halves[]): MemberId[] {
  return [...new Set(confs.flatMap((conf) => [...conf.voters, ...conf.votersOutgoing]))].sort();
}

/** No set of members decides in one of them while all the others decide in the other. */
export function allOverlap(one: Halves, other: Halves): boolean {
  const everybody = everybodyOf(one, other);
  return subsetsOf(everybody).every((members) => {
    const rest = new Set(everybody.filter((id) => !members.has(id)));
    return !(isQuorum(one, members) && isQuorum(other, rest));
  });
}
