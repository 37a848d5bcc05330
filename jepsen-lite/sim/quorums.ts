import type { ConfState } from "../../src/raft/types.ts";

/** Written afresh, so that it does not agree with the product by construction. */

/** Of each half of a joint configuration, of the one list of a simple one; learners never count. */
export function isQuorum(conf: ConfState, has: (id: string) => boolean): boolean {
  return [conf.voters, conf.votersOutgoing].every(
    (half) => half.length === 0 || 2 * half.filter(has).length > half.length,
  );
}

/** No quorum of one is without a member in every quorum of the other. All subsets are tried. */
export function overlap(one: ConfState, other: ConfState): boolean {
  const everybody = [...new Set([one, other].flatMap(votersOf))];
  for (let subset = 0; subset < 2 ** everybody.length; subset += 1) {
    const isIn = (id: string): boolean => ((subset >> everybody.indexOf(id)) & 1) === 1;
    if (isQuorum(one, isIn) && isQuorum(other, (id) => !isIn(id))) {
      return false;
    }
  }
  return true;
}

export function votersOf({ voters, votersOutgoing }: ConfState): string[] {
  return [...voters, ...votersOutgoing];
}

export function isNamed({ members }: ConfState, id: string): boolean {
  return members.some((member) => member.id === id);
}
